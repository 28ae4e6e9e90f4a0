"""Everybody takes locks in one order, so that no two transactions wait for each other (see `tickets.changes`)."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.tickets.conftest import Floor
from tickets import clocks, outbox
from tickets.changes import lock_ticket
from tickets.errors import StaleTicket
from tickets.sla import Policy
from tickets.tables import Clock, Metric, Outcome, Outgoing, SlaPolicy, Ticket

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
pytestmark = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


async def until_somebody_waits(floor: Floor) -> None:
    """One connection stands before a lock that another holds; there are only ours."""
    async with asyncio.timeout(20), floor.database.engine.connect() as connection:
        while not (await connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))).scalar():
            await connection.rollback()


async def deliver(floor: Floor, message: Outgoing) -> None:
    """As delivery does: what follows a closing word is written with its arrival."""
    async with floor.database.writing() as session:
        assert await outbox.mark_sent(session, floor.now + MINUTE, message.id or 0, "")
        await floor.desk.ask_rating(session, floor.now + MINUTE, message.id or 0)


async def merge_while_the_closing_word_arrives(floor: Floor, agent: int) -> tuple[Ticket, Ticket]:
    conversation = await floor.meet()
    source, target = await floor.open(conversation), await floor.open(conversation)
    await floor.do(floor.desk.resolve, source.id, agent, Outcome.INSTRUCT)
    closing = await floor.one(Outgoing, ticket_id=source.id)
    async with floor.database.writing() as session:
        await lock_ticket(session, source.id)
        arrives = asyncio.create_task(deliver(floor, closing))
        await until_somebody_waits(floor)
        await floor.desk.merge(session, floor.now + MINUTE, source.id or 0, target.id or 0, agent)
    await arrives
    return source, target


async def test_a_closing_word_that_arrives_during_a_merge_waits_for_it(floor: Floor, lin: int) -> None:
    _, target = await merge_while_the_closing_word_arrives(floor, lin)

    handled = {clock.ticket_id for clock in await floor.all(Clock, metric=Metric.HANDLING) if clock.met_at}
    assert handled == set()  # the target's matter is open, so what was on its way answers nothing there
    assert (await floor.one(Outgoing, message_id=1)).state == "sent"
    assert (await floor.fresh(target)).phase == "open"


async def test_with_the_message_locked_before_its_ticket_the_two_wait_for_each_other(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_session: AsyncSession, _outgoing_id: int) -> None:
        """As it was."""

    monkeypatch.setattr(outbox, "_hold_answered", nothing)

    with pytest.raises(DBAPIError, match="deadlock detected"):
        await merge_while_the_closing_word_arrives(floor, lin)


async def test_a_part_that_joins_an_incident_during_its_merge_is_not_left_behind(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    source, target, part = [await floor.open(conversation) for _ in range(3)]

    async with floor.database.writing() as session:
        await floor.desk.set_parent(session, floor.now, part.id or 0, source.id or 0, lin)
        merge = asyncio.create_task(floor.do(floor.desk.merge, source.id, target.id, lin))
        await until_somebody_waits(floor)

    with pytest.raises(StaleTicket):
        await merge
    assert (await floor.fresh(part)).parent_id == source.id


async def test_the_parts_of_an_incident_are_held_while_it_is_merged(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    source, target, part = [await floor.open(conversation) for _ in range(3)]
    await floor.do(floor.desk.set_parent, part.id, source.id, lin)

    async with floor.database.writing() as session:
        await floor.desk.take(session, floor.now, part.id or 0, lin)
        merge = asyncio.create_task(floor.do(floor.desk.merge, source.id, target.id, lin))
        await until_somebody_waits(floor)
    await merge

    now_is = await floor.fresh(part)
    assert (now_is.parent_id, now_is.assignee_id, now_is.version) == (target.id, lin, part.version + 3)


async def test_two_processes_that_start_at_once_write_a_new_policy_once(floor: Floor) -> None:
    for hours in (2, 3):  # the first time there is no row to wait for
        policy = Policy(Metric.HANDLING, hours * HOUR)
        async with floor.database.writing() as session:
            await clocks.ensure_policy(session, floor.now, policy)
            other = asyncio.create_task(floor.do(clocks.ensure_policy, policy))
            await until_somebody_waits(floor)
        await other

    assert [version.target for version in await floor.all(SlaPolicy)] == [2 * HOUR, 3 * HOUR]


async def test_without_turns_both_write_it(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(*_: object) -> None:
        """Nobody waits."""

    monkeypatch.setattr(clocks, "take_turn", at_once)

    async with floor.database.writing() as session:
        await clocks.ensure_policy(session, floor.now, Policy(Metric.HANDLING, 2 * HOUR))
        await floor.do(clocks.ensure_policy, Policy(Metric.HANDLING, 2 * HOUR))

    assert len(await floor.all(SlaPolicy)) == 2
