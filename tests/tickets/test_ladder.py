"""The ladder climbed by real tickets: warned, people, lead, manager, again."""

from datetime import timedelta

from tests.tickets.conftest import Floor, say
from tickets.desk import Desk
from tickets.rules import DeskRules
from tickets.rungs import Rungs
from tickets.tables import Clock, Escalation, Level, Metric, Notice, Outcome

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


async def heard(floor: Floor) -> list[tuple[int, str]]:
    return [(notice.agent_id, notice.text.split()[0].removeprefix("zh:notice.")) for notice in await floor.all(Notice)]


async def test_staff_are_warned_while_the_promise_can_be_kept(floor: Floor, lin: int, wang: int) -> None:
    ticket = await floor.open()

    await floor.sweep(floor.now + 20 * HOUR + SECOND)

    assert await heard(floor) == [(lin, "warned")]
    assert (await floor.fresh(ticket)).level == Level.BOT_LANE
    assert await floor.queued() == []
    assert (await floor.one(Clock)).breached_at is None


async def test_only_the_holder_is_warned_of_a_taken_ticket(floor: Floor, lin: int, ming: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, ming)

    await floor.sweep(floor.now + 20 * HOUR + SECOND)

    assert await heard(floor) == [(ming, "warned")]


async def test_an_unhandled_ticket_rises_to_the_lead_and_then_to_the_manager(
    floor: Floor, lin: int, chen: int, wang: int
) -> None:
    ticket = await floor.open()
    owners = []
    for hours in (20, 24, 28, 48):
        await floor.sweep(floor.now + hours * HOUR + SECOND)
        owners.append((await floor.fresh(ticket)).level)

    assert owners == [Level.BOT_LANE, Level.HUMAN_QUEUE, Level.LEAD, Level.MANAGER]
    rises = [(row.level, row.due_at - floor.now, row.escalated_at - row.due_at) for row in await floor.all(Escalation)]
    assert rises == [(1, 24 * HOUR, SECOND), (2, 28 * HOUR, SECOND), (3, 48 * HOUR, SECOND)]
    told = [row.told for row in await floor.all(Escalation)]
    assert told[1:] == [[f"agent:{chen}"], [f"agent:{wang}"]]


async def test_the_owner_changes_with_the_level(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + 24 * HOUR + SECOND)
    await floor.do(floor.desk.take, ticket.id, lin)

    await floor.sweep(floor.now + 28 * HOUR + SECOND)

    assert (await floor.fresh(ticket)).assignee_id is None


async def test_the_manager_hears_of_it_every_day_until_it_is_handled(floor: Floor, lin: int, wang: int) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + 49 * HOUR)
    before = len(await heard(floor))
    for hours in (71, 73, 74, 97):
        await floor.sweep(floor.now + hours * HOUR)
    await floor.do(floor.desk.reply, ticket.id, wang, "马上", at=floor.now + 100 * HOUR)
    await floor.deliver(at=floor.now + 100 * HOUR)
    await floor.sweep(floor.now + 400 * HOUR)

    assert (await heard(floor))[before:] == [(wang, "late"), (wang, "late")]
    assert len(await floor.all(Escalation)) == 3


async def test_after_an_outage_each_rung_is_climbed_once_and_in_order(floor: Floor, lin: int, wang: int) -> None:
    await floor.open()

    swept = await floor.sweep(floor.now + 10 * 24 * HOUR)
    again = await floor.sweep(floor.now + 10 * 24 * HOUR + SECOND)

    assert (swept.escalated, again.escalated) == (3, 0)
    assert [row.level for row in await floor.all(Escalation)] == [1, 2, 3]


async def test_a_resolved_ticket_climbs_no_further(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + 24 * HOUR + SECOND)
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT, at=floor.now + 25 * HOUR)

    await floor.sweep(floor.now + 100 * HOUR)

    assert [row.level for row in await floor.all(Escalation)] == [1]
    assert (await floor.one(Clock, metric=Metric.HANDLING)).wake_at is None


async def test_the_owners_spans_move_the_ladder(floor: Floor, lin: int) -> None:
    rungs = Rungs(warn_before=HOUR, lead_after=HOUR, manager_after=2 * HOUR, again_every=HOUR)
    floor.desk = Desk(say, DeskRules(handling=6 * HOUR, rungs=rungs))
    await floor.open()

    await floor.sweep(floor.now + 9 * HOUR)

    assert [(row.due_at - floor.now) // HOUR for row in await floor.all(Escalation)] == [6, 7, 8]
