"""The queue: who is next, and that each is served once."""

import asyncio
from datetime import timedelta

import pytest

from tests.tickets.conftest import Floor
from tickets.tables import Level, Outcome, Phase, Ticket, Tier

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def served(floor: Floor, at: timedelta = timedelta()) -> list[str]:
    async with floor.database.reading() as session:
        return [row.ticket.subject for row in await floor.desk.queue(session, floor.now + at)]


async def position(floor: Floor, ticket: Ticket) -> int:
    async with floor.database.reading() as session:
        return await floor.desk.position(session, floor.now, await session.get_one(Ticket, ticket.id))


async def test_level_then_weighted_wait_decides_who_is_next(floor: Floor) -> None:
    normal, vip = await floor.meet("normal"), await floor.meet("vip", Tier.VIP)
    await floor.open(normal, "fresh", at=floor.now + 3 * HOUR)
    await floor.open(vip, "vip", at=floor.now + HOUR)
    await floor.open(normal, "older than the head start", at=floor.now - 2 * HOUR)
    await floor.open(normal, "human", at=floor.now + 4 * HOUR, level=Level.HUMAN_QUEUE)

    assert await served(floor) == ["human", "older than the head start", "vip", "fresh"]


async def test_positions_count_the_queue_and_zero_is_outside(floor: Floor, lin: int) -> None:
    tickets = [await floor.open(at=floor.now + number * MINUTE) for number in range(4)]
    await floor.do(floor.desk.take, tickets[1].id, lin)
    await floor.do(floor.desk.reply, tickets[2].id, lin, "您好")

    assert [await position(floor, ticket) for ticket in tickets] == [1, 0, 0, 2]


async def test_tickets_of_one_moment_stand_in_order_of_their_numbers(floor: Floor) -> None:
    tickets = [await floor.open() for _ in range(3)]

    assert [await position(floor, ticket) for ticket in tickets] == [1, 2, 3]


async def test_a_row_says_who_waits_for_whom_and_until_when(floor: Floor, lin: int) -> None:
    ticket = await floor.open(await floor.meet("buyer-1", Tier.MERCHANT))
    await floor.do(floor.desk.take, ticket.id, lin)

    async with floor.database.reading() as session:
        (early,) = await floor.desk.held(session, floor.now, lin)
        (late,) = await floor.desk.held(session, floor.now + 25 * HOUR, lin)

    assert (early.buyer, early.tier, early.channel, early.assignee) == ("name of buyer-1", "merchant", "web", "Lin")
    assert early.due_at == floor.now + 24 * HOUR
    assert (early.is_late, late.is_late) == (False, True)


async def test_a_handled_ticket_is_due_no_more(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    await floor.deliver()

    async with floor.database.reading() as session:
        (row,) = await floor.desk.held(session, floor.now + 25 * HOUR, lin)

    assert (row.due_at, row.is_late) == (None, False)


async def test_buyers_see_their_own_unsettled_tickets(floor: Floor, lin: int) -> None:
    mine, other = await floor.meet("mine"), await floor.meet("other")
    first, second = await floor.open(mine), await floor.open(mine)
    foreign = await floor.open(other)
    await floor.do(floor.desk.resolve, second.id, lin, Outcome.INSTRUCT)

    async with floor.database.reading() as session:
        unsettled = await floor.desk.open_tickets(session, floor.now, mine.buyer_id)
        found = await floor.desk.find_ticket(session, floor.now, mine.buyer_id, f" {second.number.lower()} ")
        stranger = await floor.desk.find_ticket(session, floor.now, mine.buyer_id, foreign.number)

    assert [ticket.id for ticket in unsettled] == [first.id]
    assert found is not None
    assert found.phase == Phase.RESOLVED
    assert stranger is None


async def test_taking_the_next_follows_the_order_until_nobody_waits(floor: Floor, lin: int) -> None:
    tickets = [await floor.open(at=floor.now - number * MINUTE) for number in range(3)]

    taken = [await floor.do(floor.desk.take_next, lin) for _ in range(4)]

    assert taken == [*reversed([ticket.id for ticket in tickets]), None]


async def drain(floor: Floor, agents: list[int]) -> list[int]:
    """All agents take the next ticket until none is left; the ids in the order in which they came."""
    taken: list[int] = []

    async def work(agent: int) -> None:
        while (ticket_id := await floor.do(floor.desk.take_next, agent)) is not None:
            taken.append(ticket_id)

    await asyncio.gather(*(work(agent) for agent in agents))
    return taken


async def test_sixteen_workers_serve_each_ticket_once(floor: Floor) -> None:
    agents = [await floor.hire(f"agent-{number}") for number in range(16)]
    conversation = await floor.meet()
    tickets = [await floor.open(conversation) for _ in range(48)]

    taken = await drain(floor, agents)

    assert sorted(taken) == [ticket.id for ticket in tickets]


async def test_looking_first_and_writing_later_without_a_guard_serves_one_ticket_to_all(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = [await floor.hire(f"agent-{number}") for number in range(4)]
    for _ in agents:
        await floor.open()
    async with floor.database.reading() as session:
        head = (await floor.desk.queue(session, floor.now))[0].ticket.id

    monkeypatch.setattr("tickets.desk.is_free", lambda: ())
    takes = (floor.do(floor.desk.take, head, agent) for agent in agents)
    taken = [ticket.id for ticket in await asyncio.gather(*takes)]

    assert set(taken) == {head}
