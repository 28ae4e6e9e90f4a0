"""Running clocks on today's version of the policies: a manager's decision, seen beforehand."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from audit.tables import AuditRow
from tests.tickets.conftest import Floor, say
from tickets import outbox
from tickets.desk import Desk
from tickets.errors import NotAllowed, UnknownTicket
from tickets.policies import Move, find_named, find_running
from tickets.rules import DeskRules
from tickets.sla import Metric, Policy
from tickets.tables import Clock, Escalation, Level, Notice, Outcome, Outgoing, SlaPolicy, Ticket, Tier

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
RESOLUTION = Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=10 * HOUR)


def promising(handling: int = 24, *policies: Policy) -> Desk:
    return Desk(say, DeskRules(handling=handling * HOUR, policies=policies))


async def reapply(floor: Floor, manager: int, *tickets: Ticket, after: int = 0) -> Sequence[Move]:
    ids = [ticket.id for ticket in tickets]
    return await floor.do(floor.desk.reapply_policies, manager, ids, at=floor.now + after * HOUR)


async def preview(floor: Floor, *tickets: Ticket, after: int = 0) -> Sequence[Move]:
    async with floor.database.reading() as session:
        ids = [ticket.id for ticket in tickets]
        return await floor.desk.preview_policies(session, floor.now + after * HOUR, ids)


async def due(floor: Floor, ticket: Ticket, metric: Metric = Metric.HANDLING) -> float:
    """Hours after now."""
    return ((await floor.one(Clock, ticket_id=ticket.id, metric=metric)).due_at - floor.now) / HOUR


async def test_a_running_clock_keeps_its_version_until_a_manager_reapplies(floor: Floor, wang: int) -> None:
    ticket = await floor.open()
    floor.desk = promising(12)
    before = await due(floor, ticket)

    moved = await reapply(floor, wang, ticket)

    assert (before, await due(floor, ticket)) == (24, 12)
    assert [(move.number, move.metric, move.is_late) for move in moved] == [(ticket.number, "handling", False)]
    clock = await floor.one(Clock)
    assert clock.wake_at == floor.now + 8 * HOUR
    assert (await floor.one(SlaPolicy, id=clock.policy_id)).target == 12 * HOUR
    row = await floor.one(AuditRow, action="ticket.policies_reapplied")
    assert (row.actor, row.before, row.after) == (
        f"agent:{wang}",
        {"handling": (floor.now + 24 * HOUR).isoformat()},
        {"handling": (floor.now + 12 * HOUR).isoformat()},
    )


async def test_a_preview_tells_what_would_move_and_writes_nothing(floor: Floor, wang: int) -> None:
    early, late = await floor.open(at=floor.now - 20 * HOUR), await floor.open()
    floor.desk = promising(12)
    before = len(await floor.all(AuditRow)), await floor.all(Clock), await floor.all(SlaPolicy)

    told = await preview(floor, early, late)

    assert [(move.ticket_id, move.is_late) for move in told] == [(early.id, True), (late.id, False)]
    assert before == (len(await floor.all(AuditRow)), await floor.all(Clock), await floor.all(SlaPolicy))
    done = await reapply(floor, wang, early, late)
    assert [(move.ticket_id, move.is_late) for move in done] == [(move.ticket_id, move.is_late) for move in told]


async def test_reapplying_again_moves_nothing(floor: Floor, wang: int) -> None:
    ticket = await floor.open()
    floor.desk = promising(12)
    await reapply(floor, wang, ticket)

    assert await reapply(floor, wang, ticket) == []


async def test_only_a_manager_may(floor: Floor, chen: int) -> None:
    ticket = await floor.open()
    floor.desk = promising(12)

    with pytest.raises(NotAllowed):
        await reapply(floor, chen, ticket)


async def test_what_is_late_stays_late(floor: Floor, wang: int) -> None:
    ticket = await floor.open()
    floor.desk = promising(48)

    assert await reapply(floor, wang, ticket, after=25) == []
    assert await due(floor, ticket) == 24


async def test_what_is_handled_or_settled_keeps_its_verdict(floor: Floor, lin: int, wang: int) -> None:
    handled, settled = await floor.open(), await floor.open(await floor.meet("other"))
    await floor.do(floor.desk.reply, handled.id, lin, "您好")
    await floor.do(floor.desk.resolve, settled.id, lin, Outcome.INSTRUCT)
    await floor.deliver()
    floor.desk = promising(1)

    assert await reapply(floor, wang, handled, settled) == []


async def test_what_a_shorter_promise_makes_late_rises_at_the_next_sweep(floor: Floor, lin: int, wang: int) -> None:
    ticket = await floor.open()
    floor.desk = promising(2)
    (move,) = await reapply(floor, wang, ticket, after=3)

    await floor.sweep(floor.now + 3 * HOUR + SECOND)

    assert move.is_late
    assert (await floor.fresh(ticket)).level == Level.HUMAN_QUEUE
    assert (await floor.one(Escalation)).due_at == floor.now + 2 * HOUR


async def test_a_warned_ticket_is_not_warned_again(floor: Floor, lin: int, wang: int) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + 20 * HOUR + SECOND)
    floor.desk = promising(48)
    await reapply(floor, wang, ticket, after=21)

    await floor.sweep(floor.now + 47 * HOUR)
    quiet = len(await floor.all(Notice))
    await floor.sweep(floor.now + 48 * HOUR + SECOND)

    assert (quiet, (await floor.fresh(ticket)).level) == (1, Level.HUMAN_QUEUE)


async def test_pauses_count_under_the_new_version_too(floor: Floor, lin: int, wang: int) -> None:
    floor.desk = promising(24, RESOLUTION)
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图", at=floor.now + HOUR)
    await floor.deliver(at=floor.now + HOUR)
    await floor.speak(ticket, at=floor.now + 5 * HOUR)
    floor.desk = promising(24, Policy(Metric.RESOLUTION, 48 * HOUR, pause_cap=3 * HOUR))

    await reapply(floor, wang, ticket, after=6)

    assert await due(floor, ticket, Metric.RESOLUTION) == 48 + 3


async def test_each_ticket_gets_the_policy_of_its_matter(floor: Floor, wang: int) -> None:
    vip, normal = await floor.open(await floor.meet("vip", Tier.VIP)), await floor.open(await floor.meet("normal"))
    floor.desk = promising(24, Policy(Metric.HANDLING, 6 * HOUR, tier="vip"))

    moved = await reapply(floor, wang, vip, normal)

    assert [move.ticket_id for move in moved] == [vip.id]


async def test_reapplying_while_sweeps_run_loses_and_doubles_nothing(floor: Floor, lin: int, wang: int) -> None:
    conversation = await floor.meet()
    tickets = [await floor.open(conversation) for _ in range(20)]
    floor.desk = promising(2)

    await asyncio.gather(
        *(floor.sweep(floor.now + 3 * HOUR, limit=3) for _ in range(3)),
        reapply(floor, wang, *tickets, after=3),
        reapply(floor, wang, *tickets, after=3),
    )
    await floor.sweep(floor.now + 3 * HOUR + SECOND)

    assert sorted(row.ticket_id for row in await floor.all(Escalation)) == sorted(ticket.id for ticket in tickets)
    assert {clock.due_at for clock in await floor.all(Clock)} == {floor.now + 2 * HOUR}


async def test_a_delivery_between_look_and_act_keeps_its_clock(
    floor: Floor, lin: int, wang: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tickets import policies

    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    (reply,) = await floor.all(Outgoing)
    floor.desk = promising(1)
    plan = policies._plan

    async def plan_then_deliver(session: object, *facts: object) -> Sequence[Move]:
        moves = await plan(session, *facts)  # type: ignore[arg-type]
        await outbox.mark_sent(session, floor.now, reply.id, "")  # type: ignore[arg-type]
        return moves

    monkeypatch.setattr(policies, "_plan", plan_then_deliver)

    assert await reapply(floor, wang, ticket) == []
    assert await due(floor, ticket) == 24


async def test_tickets_are_found_by_number_or_page_by_page(floor: Floor, lin: int) -> None:
    first, second, settled = [await floor.open(await floor.meet(name)) for name in "abc"]
    await floor.do(floor.desk.resolve, settled.id, lin, Outcome.INSTRUCT)

    assert await floor.do(lambda session, now: find_running(session, 0, 1)) == [first.id]
    assert await floor.do(lambda session, now: find_running(session, first.id or 0, 9)) == [second.id]
    assert await floor.do(lambda session, now: find_named(session, ["k-000003", first.number], 0)) == [1, 3]
    with pytest.raises(UnknownTicket, match="K-9"):
        await floor.do(lambda session, now: find_named(session, ["K-9"], 0))
