"""The ledger: what stands in the store after every kind of accident, and what the book says then."""

from __future__ import annotations

import asyncio
import functools

import pytest

from hostport.ledger.block import Span
from tests.core.desk import Desk, first, in_a_loop, names
from tests.core.store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("main", "other")


@pytest.fixture
def desk(store: MemoryStore) -> Desk:
    return Desk(store)


@pytest.fixture
def rival(store: MemoryStore) -> Desk:
    return Desk(store)


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


# Two want the same


@in_a_loop
async def test_of_two_who_want_a_number_one_gets_it_and_the_other_learns_who(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    store.before_write = first(rival, {"20000/TCP": "theirs"})
    assert await desk.commit({"20000/TCP": "ours"}) == {"ours", "theirs"}
    assert names(store.leases()) == {"20000/TCP": "theirs"} == desk.book()
    assert desk.outcomes == ["conflict"]


@in_a_loop
async def test_who_has_lost_a_race_for_other_numbers_gets_his_at_the_second_try(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    store.before_write = first(rival, {"20000/TCP": "theirs"})
    assert await desk.commit({"20001/TCP": "ours"}) == {"ours", "theirs"}
    assert desk.book() == {"20000/TCP": "theirs"}
    assert await desk.commit({"20001/TCP": "ours"}) == set()
    assert names(store.leases()) == {"20000/TCP": "theirs", "20001/TCP": "ours"}


@in_a_loop
async def test_what_a_lost_race_was_to_take_out_is_back_in_the_book(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    desk.watch(store)
    await desk.commit({"20000/TCP": "old"})
    rival.see(store.seen("main"))
    store.before_write = first(rival, {"20001/TCP": "theirs"})
    await desk.commit({"20000/TCP": None})
    assert desk.book() == {"20000/TCP": "old", "20001/TCP": "theirs"} == names(store.leases())


@in_a_loop
async def test_a_grant_over_two_blocks_names_only_those_who_lost_in_one(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    for each in (desk, rival):
        each.watch(store)
    await desk.commit({"20000/TCP": "first", "20300/TCP": "first"})
    desk_only = store.watchers.pop()
    store.watchers.remove(desk.see)
    store.before_write = first(rival, {"20001/TCP": "theirs"})
    failed = await desk.commit({"20002/TCP": "both", "20301/TCP": "both", "20302/TCP": "second block"})
    assert failed == {"both", "theirs"}
    assert names(store.leases()) == {
        "20000/TCP": "first",
        "20001/TCP": "theirs",
        "20300/TCP": "first",
        "20301/TCP": "both",
        "20302/TCP": "second block",
    }
    assert desk.book() == names(store.leases())
    assert desk_only == rival.see


@in_a_loop
async def test_a_rival_who_opens_the_pool_elsewhere_has_the_first_block(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    store.before_write = first(rival, {"30000/TCP": "theirs"})
    assert await desk.commit({"20000/TCP": "ours"}) == {"ours", "theirs"}
    assert desk.book() == {"30000/TCP": "theirs"}
    assert await desk.commit({"20000/TCP": "ours"}) == set()
    assert store.objects()["main"] == "29952-30207"
    assert names(store.leases()) == {"30000/TCP": "theirs", "20000/TCP": "ours"} == desk.book()


@in_a_loop
async def test_a_rival_who_has_opened_the_pool_elsewhere_unseen_has_the_first_block(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await rival.commit({"30000/TCP": "theirs"})
    assert await desk.commit({"20000/TCP": "ours"}) == {"ours", "theirs"}
    assert await desk.commit({"20000/TCP": "ours"}) == set()
    assert names(store.leases()) == {"30000/TCP": "theirs", "20000/TCP": "ours"} == desk.book()


@in_a_loop
async def test_a_rival_who_has_opened_the_pool_elsewhere_and_given_all_back_has_the_first_block_still(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await rival.commit({"30000/TCP": "theirs"})
    await rival.commit({"30000/TCP": None})
    assert await desk.commit({"20000/TCP": "ours"}) == {"ours"}
    assert await desk.commit({"20000/TCP": "ours"}) == set()
    assert store.objects()["main"] == "29952-30207"


@in_a_loop
async def test_a_further_block_that_a_rival_has_made_and_filled_is_read_before_it_is_written(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20000/TCP": "web"})
    rival.see(store.seen("main"))
    await rival.commit({"20300/TCP": "theirs"})
    assert await desk.commit({"20300/TCP": "ours", "20301/TCP": "ours too"}) == {"ours", "ours too"}
    assert desk.book() == {"20000/TCP": "web", "20300/TCP": "theirs"}


@in_a_loop
async def test_a_further_block_that_a_rival_has_made_and_not_filled_is_as_good_as_ours(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20000/TCP": "web"})
    rival.see(store.seen("main"))
    store.lose_request = True
    await rival.commit({"20300/TCP": "theirs"})
    assert store.objects()["main-20224"] == "20224-20479"
    assert await desk.commit({"20300/TCP": "ours"}) == set()


# News between a plan and its write


@in_a_loop
async def test_a_rivals_lease_that_is_seen_after_the_plan_is_not_overwritten(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    desk.watch(store)
    await desk.commit({"20005/TCP": "before"})
    rival.see(store.seen("main"))
    changes = desk.intend({"20000/TCP": "ours"})
    await rival.commit({"20000/TCP": "theirs"})
    assert await desk.ledger.commit(changes) == {"Deployment/default/ours"}
    assert names(store.leases()) == {"20005/TCP": "before", "20000/TCP": "theirs"} == desk.book()


@in_a_loop
async def test_an_echo_between_a_plan_and_its_write_does_not_make_the_book_forget(
    store: MemoryStore, desk: Desk
) -> None:
    await desk.commit({"20005/TCP": "before"})
    asyncio.get_running_loop().call_soon(desk.see, store.seen("main"))
    assert await desk.commit({"20000/TCP": "ours"}) == set()
    assert desk.book() == {"20005/TCP": "before", "20000/TCP": "ours"} == names(store.leases())


@in_a_loop
async def test_a_rivals_lease_that_is_seen_as_the_write_begins_is_not_overwritten(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20005/TCP": "before"})
    rival.see(store.seen("main"))
    await rival.commit({"20000/TCP": "theirs"})
    asyncio.get_running_loop().call_soon(desk.see, store.seen("main"))
    assert await desk.commit({"20000/TCP": "ours"}) == {"ours"}
    assert names(store.leases()) == {"20005/TCP": "before", "20000/TCP": "theirs"} == desk.book()


@in_a_loop
async def test_a_plan_that_waits_for_a_status_write_is_not_carried_out_on_what_that_one_has_read(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20005/TCP": "before"})
    rival.see(store.seen("main"))
    await rival.commit({"20000/TCP": "theirs"})
    store.pace = functools.partial(asyncio.sleep, 0)
    summary = asyncio.create_task(desk.ledger.write_summary("main", "", {"free": 1}))
    await asyncio.sleep(0)
    assert await desk.commit({"20000/TCP": "ours"}) == {"ours", "theirs"}
    assert not await summary
    assert names(store.leases()) == {"20005/TCP": "before", "20000/TCP": "theirs"} == desk.book()


@in_a_loop
async def test_a_status_write_on_the_way_keeps_nobody_from_his_number(store: MemoryStore, desk: Desk) -> None:
    await desk.commit({"20005/TCP": "before"})
    desk.watch(store)
    store.pace = functools.partial(asyncio.sleep, 0)
    summary = asyncio.create_task(desk.ledger.write_summary("main", "", {"free": 1}))
    await asyncio.sleep(0)
    assert await desk.commit({"20000/TCP": "ours"}) == set()
    assert await summary
    assert desk.book() == {"20005/TCP": "before", "20000/TCP": "ours"} == names(store.leases())


@in_a_loop
async def test_what_a_rival_writes_while_our_answer_is_on_its_way_is_known_after_it(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20005/TCP": "before"})
    store.watchers += [rival.see, desk.see]
    arrived, answered = asyncio.Event(), asyncio.Event()
    steps = [None, answered.wait]

    async def pace() -> None:
        step = steps.pop(0) if steps else None
        if step is not None:
            arrived.set()
            await step()

    store.pace = pace
    ours = asyncio.create_task(desk.commit({"20000/TCP": "ours"}))
    await arrived.wait()
    await rival.commit({"20000/TCP": None, "20001/TCP": "theirs"})
    answered.set()
    assert await ours == {"ours", "theirs"}
    assert desk.book() == {"20005/TCP": "before", "20001/TCP": "theirs"} == names(store.leases())


@in_a_loop
async def test_of_events_that_arrive_out_of_order_during_a_write_the_newest_is_taken(
    store: MemoryStore, desk: Desk, rival: Desk
) -> None:
    await desk.commit({"20005/TCP": "before"})
    rival.see(store.seen("main"))

    async def rival_writes_twice() -> None:
        await rival.commit({"20001/TCP": "theirs"})
        older = store.seen("main")
        await rival.commit({"20002/TCP": "theirs too"})
        desk.see(store.seen("main"))
        desk.see(older)
        store.lose_request = True

    store.before_write = rival_writes_twice
    assert await desk.commit({"20000/TCP": "ours"}) == {"ours", "theirs", "theirs too"}
    assert desk.book() == {"20005/TCP": "before", "20001/TCP": "theirs", "20002/TCP": "theirs too"}


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
