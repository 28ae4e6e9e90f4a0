"""Policies, cycles and the handling clock."""

from datetime import timedelta

import pytest

from tests.tickets.conftest import Floor, say
from tickets import clocks
from tickets.desk import Desk, DeskRules
from tickets.errors import UnknownTicket
from tickets.sla import Policy
from tickets.tables import Clock, Metric, SlaPolicy, Ticket

HOUR = timedelta(hours=1)


async def test_the_same_target_keeps_its_version(floor: Floor) -> None:
    first = await floor.do(clocks.ensure_policy, Policy(Metric.HANDLING, 24 * HOUR))
    again = await floor.do(clocks.ensure_policy, Policy(Metric.HANDLING, 24 * HOUR), at=floor.now + HOUR)

    assert again.id == first.id
    assert await floor.one(SlaPolicy) == first


async def test_metrics_have_versions_of_their_own(floor: Floor) -> None:
    await floor.do(clocks.ensure_policy, Policy(Metric.HANDLING, 24 * HOUR))
    await floor.do(clocks.ensure_policy, Policy(Metric.RESOLUTION, 72 * HOUR))
    await floor.do(clocks.ensure_policy, Policy(Metric.HANDLING, 24 * HOUR))

    assert [policy.metric for policy in await floor.all(SlaPolicy)] == ["handling", "resolution"]


async def test_a_changed_target_is_a_new_version_and_running_clocks_keep_theirs(floor: Floor) -> None:
    old = await floor.open()
    floor.desk = Desk(say, DeskRules(handling=2 * HOUR))
    new = await floor.open()

    before, after = await floor.one(Clock, ticket_id=old.id), await floor.one(Clock, ticket_id=new.id)

    assert before.due_at == floor.now + 24 * HOUR
    assert after.due_at == floor.now + 2 * HOUR
    assert before.policy_id != after.policy_id


async def test_a_clock_is_met_once(floor: Floor) -> None:
    ticket = await floor.open()

    first = await floor.do(clocks.meet_handling, ticket.id, at=floor.now + HOUR, promised_at=floor.now)
    second = await floor.do(clocks.meet_handling, ticket.id, at=floor.now + 2 * HOUR, promised_at=floor.now)

    assert (first, second) == (True, False)
    assert (await floor.one(Clock)).met_at == floor.now + HOUR


async def test_a_ticket_without_a_cycle_is_no_ticket(floor: Floor) -> None:
    with pytest.raises(UnknownTicket):
        async with floor.database.reading() as session:
            await clocks.get_cycle(session, Ticket(id=404))
