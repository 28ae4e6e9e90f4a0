"""One writes at a time: in turn, what is urgent first, and a turn that nobody takes is passed on."""

import asyncio

from kadesk.turns import Turns


async def test_the_urgent_one_is_next_but_not_twice_while_others_wait() -> None:
    turns, went = Turns(), list[str]()

    async def write(name: str, is_urgent: bool) -> None:
        async with turns.take(is_urgent):
            went.append(name)

    async with turns.take():
        names = ("first", "second", "third", "urgent", "urgent too")
        writers = [asyncio.create_task(write(name, name.startswith("urgent"))) for name in names]
        await asyncio.sleep(0)
        assert went == []
    await asyncio.gather(*writers)

    assert went == ["urgent", "first", "urgent too", "second", "third"]


async def test_never_two_at_a_time() -> None:
    turns, inside, most = Turns(), 0, 0

    async def write(number: int) -> None:
        nonlocal inside, most
        async with turns.take(number % 3 == 0):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(write(number) for number in range(50)))

    assert most == 1


async def test_who_gives_up_keeps_nobody_waiting() -> None:
    turns, went = Turns(), list[str]()

    async def write(name: str) -> None:
        async with turns.take():
            went.append(name)

    async with turns.take():
        gone, chosen, last = (asyncio.create_task(write(name)) for name in ("gone", "chosen", "last"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
    chosen.cancel()  # in the moment in which the turn became theirs
    await asyncio.gather(gone, chosen, last, return_exceptions=True)

    assert went == ["last"]
    async with asyncio.timeout(1), turns.take():
        pass
