"""The ledger: what stands in the store after every kind of accident, and what the book says then."""

from __future__ import annotations

from hostport.ledger.block import Span
from tests.core.desk import Desk, in_a_loop, names
from tests.core.store import MemoryStore

# A quiet day


@in_a_loop
async def test_what_is_committed_stands_in_the_store(store: MemoryStore, desk: Desk) -> None:
    assert await desk.commit({"20000/TCP": "web", "20001/UDP": "dns"}) == set()
    assert names(store.leases()) == {"20000/TCP": "web", "20001/UDP": "dns"} == desk.book()
    assert desk.outcomes == ["ok"]


@in_a_loop
async def test_many_workloads_share_one_write(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({f"{port}/TCP": f"web-{port}" for port in range(20000, 20100)})
    assert store.writes == 1


@in_a_loop
async def test_a_lease_that_is_taken_out_is_gone_from_the_store(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web", "20001/TCP": "other"})
    await desk.commit({"20000/TCP": None})
    assert names(store.leases()) == {"20001/TCP": "other"}


@in_a_loop
async def test_a_pool_carries_the_finalizer_before_its_first_lease(store: MemoryStore, desk: Desk) -> None:
    store.terminate("main")
    assert await desk.commit({"20000/TCP": "web"}) == {"web"}
    assert store.leases() == {} == desk.book()


@in_a_loop
async def test_the_first_block_stands_in_the_pool_and_further_ones_in_objects_of_their_own(
    store: MemoryStore, desk: Desk
) -> None:
    await desk.commit({"20000/TCP": "web"})
    await desk.commit({"20001/TCP": "web", "20240/TCP": "far", "10012/UDP": "farther"})
    assert store.objects() == {
        "main": "19968-20223",
        "other": "",
        "main-20224": "20224-20479",
        "main-9984": "9984-10239",
    }


@in_a_loop
async def test_a_lease_lands_in_the_block_that_was_made_for_its_number_whatever_its_size(
    store: MemoryStore, desk: Desk
) -> None:
    store.open("main", Span(20000, 20999))
    desk.see(store.seen("main"))
    await desk.commit({"20900/TCP": "far"})
    assert store.objects() == {"main": "20000-20999", "other": ""}


@in_a_loop
async def test_two_pools_never_share_a_block(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"}, pool="main")
    await desk.commit({"20000/TCP": "web"}, pool="other")
    assert names(store.leases("main")) == names(store.leases("other")) == {"20000/TCP": "web"}


@in_a_loop
async def test_the_echo_of_our_own_write_is_no_news(store: MemoryStore, desk: Desk) -> None:
    desk.watch(store)
    await desk.commit({"20000/TCP": "web"})
    desk.see(store.seen("main"))
    assert desk.news == set()


@in_a_loop
async def test_an_echo_that_says_otherwise_is_believed(store: MemoryStore, desk: Desk, rival: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    seen = store.seen("main")
    desk.see(seen._replace(stored=seen.stored._replace(leases={})))
    assert (desk.news, desk.book()) == ({"Deployment/default/web"}, {})


@in_a_loop
async def test_what_others_have_written_is_known_and_their_owners_told(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    desk.watch(store)
    await rival.commit({"20000/TCP": "web"})
    assert desk.book() == {"20000/TCP": "web"}
    assert desk.news == {"Deployment/default/web"}


@in_a_loop
async def test_what_is_older_than_our_last_write_is_passed_over(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    old = store.seen("main")
    await desk.commit({"20001/TCP": "dns"})
    desk.see(old)
    assert desk.book() == {"20000/TCP": "web", "20001/TCP": "dns"}


# Answers that never come


@in_a_loop
async def test_a_write_whose_answer_was_lost_is_found_out_about_by_reading(store: MemoryStore, desk: Desk) -> None:
    store.lose_answer = True
    assert await desk.commit({"20000/TCP": "web"}) == {"web"}
    assert desk.outcomes == ["error"]
    assert await desk.ledger.clear_doubts()
    assert desk.book() == {"20000/TCP": "web"} == names(store.leases())


@in_a_loop
async def test_a_write_that_never_arrived_is_found_out_about_by_reading(store: MemoryStore, desk: Desk) -> None:
    store.lose_request = True
    assert await desk.commit({"20000/TCP": "web"}) == {"web"}
    assert desk.book() == {"20000/TCP": "web"}, "till it is known, better to leak than to double"
    assert await desk.ledger.clear_doubts()
    assert desk.book() == {} == store.leases()


@in_a_loop
async def test_while_it_is_unknown_what_stands_there_nothing_is_written(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    store.lose_answer = True
    await desk.commit({"20001/TCP": "dns"})
    assert await desk.commit({"20002/TCP": "late"}) == {"late"}
    assert names(store.leases()) == {"20000/TCP": "web", "20001/TCP": "dns"} == desk.book()


@in_a_loop
async def test_a_block_in_doubt_is_read_before_it_is_written(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    store.lose_request = True
    await desk.commit({"20001/TCP": "dns"})
    assert await desk.commit({"20002/TCP": "late"}) >= {"late"}
    assert names(store.leases()) == {"20000/TCP": "web"} == desk.book()
    assert await desk.commit({"20002/TCP": "late"}) == set()


@in_a_loop
async def test_a_removal_whose_answer_was_lost_is_found_out_about_by_reading(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web", "20001/TCP": "dns"})
    store.lose_request = True
    await desk.commit({"20000/TCP": None})
    await desk.ledger.clear_doubts()
    assert desk.book() == {"20000/TCP": "web", "20001/TCP": "dns"} == names(store.leases())


@in_a_loop
async def test_a_write_that_arrives_long_after_it_was_given_up_is_refused(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20005/TCP": "before"})
    on_its_way = Desk(store)
    on_its_way.see(store.seen("main"))
    on_its_way.ledger.holds("main")
    await desk.commit({"20000/TCP": "ours"})
    assert await on_its_way.commit({"20000/TCP": "late"}) == {"late", "ours"}
    assert names(store.leases()) == {"20005/TCP": "before", "20000/TCP": "ours"}


# Objects that go


@in_a_loop
async def test_a_block_that_is_torn_away_takes_its_leases_out_of_the_book(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    await desk.commit({"20300/TCP": "far"})
    store.drop("main-20224")
    assert desk.ledger.lost("main", Span(20224, 20479)) == {"Deployment/default/far"}
    assert desk.book() == {"20000/TCP": "web"}


@in_a_loop
async def test_a_block_that_was_torn_away_unseen_is_made_anew_at_the_second_try(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    await desk.commit({"20300/TCP": "far"})
    store.drop("main-20224")
    assert await desk.commit({"20301/TCP": "next"}) == {"next", "far"}
    assert desk.book() == {"20000/TCP": "web"}
    assert await desk.commit({"20301/TCP": "next"}) == set()
    assert names(store.leases()) == {"20000/TCP": "web", "20301/TCP": "next"}


@in_a_loop
async def test_a_pool_that_is_gone_and_made_again_starts_with_an_empty_ledger(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    desk.ledger.forget("main")
    desk.state.forget_pool("main")
    assert desk.ledger.blocks("main") == []


# A pool's own status


@in_a_loop
async def test_the_counts_are_written_beside_the_leases(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    assert await desk.ledger.write_summary("main", "", {"free": 9})
    assert store.status("main") == {"free": 9}
    assert await desk.commit({"20001/TCP": "dns"}) == set()
    assert names(store.leases()) == {"20000/TCP": "web", "20001/TCP": "dns"}


@in_a_loop
async def test_the_counts_of_a_pool_without_leases_are_written_against_the_pool_as_it_was_seen(
    store: MemoryStore, desk: Desk
) -> None:
    assert not await desk.ledger.write_summary("main", "999", {"free": 8})
    assert await desk.ledger.write_summary("main", "1", {"free": 9})
    assert store.status("main") == {"free": 9}


@in_a_loop
async def test_counts_made_before_a_rival_wrote_are_not_written_but_made_anew(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20000/TCP": "web"})
    rival.see(store.seen("main"))
    await rival.commit({"20001/TCP": "theirs"})
    assert not await desk.ledger.write_summary("main", "", {"free": 9})
    assert desk.book() == {"20000/TCP": "web", "20001/TCP": "theirs"}
    assert await desk.ledger.write_summary("main", "", {"free": 8})
    assert store.status("main") == {"free": 8}


@in_a_loop
async def test_counts_are_not_written_while_it_is_unknown_what_stands_there(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20000/TCP": "web"})
    store.lose_answer = True
    await desk.commit({"20001/TCP": "dns"})
    assert not await desk.ledger.write_summary("main", "", {"free": 9})
    assert store.status("main") == {}


@in_a_loop
async def test_a_rival_that_writes_the_object_and_no_lease_keeps_nobody_from_his_number(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20000/TCP": "web"})
    rival.see(store.seen("main"))
    wins = iter(range(4))

    async def is_faster() -> None:
        if next(wins, None) is not None:
            rival.see(store.seen("main"))
            assert await rival.ledger.write_summary("main", "", {"free": 1})
            store.before_write = is_faster

    store.before_write = is_faster
    assert await desk.commit({"20001/TCP": "next"}) == set()
    assert names(store.leases()) == {"20000/TCP": "web", "20001/TCP": "next"} == desk.book()
    assert desk.outcomes == ["ok", *["conflict"] * 4, "ok"]


@in_a_loop
async def test_what_a_status_write_has_found_out_is_told_without_a_commit(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20000/TCP": "web"})
    rival.see(store.seen("main"))
    await rival.commit({"20000/TCP": None})
    assert not await desk.ledger.write_summary("main", "", {"free": 1})
    assert {owner.rpartition("/")[2] for owner in desk.ledger.take_news()} == {"web"}
    assert desk.ledger.take_news() == set()
