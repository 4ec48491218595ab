"""The ledger under two operators at once, and between a plan and its write: who has a number, and who learns it."""

from __future__ import annotations

import asyncio
import functools

from tests.core.desk import Desk, first, in_a_loop, names
from tests.core.store import MemoryStore

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
