"""Who is told, when, and again: quiet hours, who is away, what nobody has seen, and nobody at all."""

from datetime import time, timedelta
from typing import Any

import pytest

from audit.tables import AuditRow
from tests.tickets.conftest import Floor, say
from tickets import alarms, notices, reminders
from tickets.desk import Desk
from tickets.hours import Calendar, Window
from tickets.notices import Person, Staff
from tickets.quiet import QuietHours
from tickets.routing import Level
from tickets.rules import DeskRules
from tickets.tables import Agent, Escalation, Notice, Outcome

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# The floor's now is four in the morning.
AWAKE = Calendar("awake", week=((Window(time(8), time(23)),),) * 7)


def quietly(urgent_from: Level | None = None) -> Desk:
    return Desk(say, DeskRules(quiet=QuietHours(AWAKE, urgent_from)))


async def unseen(floor: Floor, agent: int, after: timedelta) -> list[str]:
    async with floor.database.reading() as session:
        found = await notices.unseen(session, floor.now + after, agent)
        return [notice.text.split()[0].removeprefix("zh:notice.") for notice in found]


async def remind(floor: Floor, after: timedelta) -> int:
    return await floor.do(reminders.remind, floor.desk.rules, at=floor.now + after)


# Quiet hours


async def test_a_ticket_moves_at_night_and_its_notices_appear_in_the_morning(floor: Floor, lin: int) -> None:
    floor.desk = quietly()
    ticket = await floor.open(at=floor.now - 24 * HOUR)

    await floor.sweep(floor.now + MINUTE)

    assert (await floor.fresh(ticket)).level == Level.HUMAN_QUEUE
    assert (await floor.one(Escalation)).escalated_at == floor.now + MINUTE
    assert await unseen(floor, lin, 4 * HOUR - timedelta.resolution) == []
    assert await unseen(floor, lin, 4 * HOUR) == ["escalated"]


async def test_a_verb_keeps_the_quiet_hours_too(floor: Floor, lin: int) -> None:
    floor.desk = quietly()
    await floor.open(level=Level.HUMAN_QUEUE)

    assert (await floor.one(Notice)).not_before == floor.now + 4 * HOUR


async def test_an_urgent_level_disturbs_at_any_hour(floor: Floor, lin: int, chen: int, wang: int) -> None:
    floor.desk = quietly(urgent_from=Level.MANAGER)
    await floor.open(at=floor.now - 48 * HOUR)

    await floor.sweep(floor.now + MINUTE)

    assert await unseen(floor, wang, MINUTE) == ["escalated"]
    assert await unseen(floor, chen, MINUTE) == []


async def test_what_was_kept_back_is_not_seen_with_what_was_shown(floor: Floor, chen: int) -> None:
    floor.desk = quietly(urgent_from=Level.LEAD)
    hidden = await floor.open(level=Level.HUMAN_QUEUE)
    await floor.open(await floor.meet("other"), level=Level.LEAD)
    last = (await floor.all(Notice))[-1]

    await floor.do(notices.mark_seen, chen, last.id)

    assert await unseen(floor, chen, 4 * HOUR) == ["escalated"]
    assert [row.ticket_id for row in await floor.all(Notice, seen_at=None)] == [hidden.id]


# Who


AGENT, LEAD, MANAGER = Person(1, "agent"), Person(2, "lead"), Person(3, "manager")


@pytest.mark.parametrize(
    ("level", "people", "told"),
    [
        pytest.param(1, [AGENT, LEAD, MANAGER], [1, 2], id="those of the level"),
        pytest.param(2, [AGENT, LEAD, MANAGER], [2], id="the lead"),
        pytest.param(2, [AGENT, MANAGER], [3], id="no lead: the manager"),
        pytest.param(2, [AGENT], [1], id="nobody above: anybody"),
        pytest.param(3, [AGENT, LEAD], [2], id="no manager: the lead"),
        pytest.param(1, [AGENT._replace(is_away=True), MANAGER], [3], id="the agent is away: the manager"),
        pytest.param(1, [AGENT._replace(is_away=True), LEAD], [2], id="one of two is away"),
        pytest.param(2, [AGENT, LEAD._replace(is_away=True)], [1], id="the lead is away: whoever is there"),
        pytest.param(2, [LEAD._replace(is_away=True)], [2], id="all are away: the lead after all"),
        pytest.param(2, [], [], id="nobody at all"),
    ],
)
def test_somebody_is_told(level: int, people: list[Person], told: list[int]) -> None:
    assert Staff(tuple(people)).told(level, "K-1") == told


def test_a_holder_who_is_away_is_not_the_only_one_to_know() -> None:
    staff = Staff((AGENT._replace(is_away=True), LEAD))

    assert staff.told(1, "K-1", holder_id=1) == [2]


async def test_nobody_at_all_leaves_an_undeliverable_notice_until_there_is_somebody(floor: Floor) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + 24 * HOUR + MINUTE)

    async def count() -> int:
        async with floor.database.reading() as session:
            return await reminders.count_undeliverable(session)

    alone = await count()
    await floor.do(reminders.deliver_late, floor.desk.rules)
    still = await count()
    lin, ming = await floor.hire("lin"), await floor.hire("ming")
    await floor.do(reminders.deliver_late, floor.desk.rules, at=floor.now + 30 * HOUR)

    assert (alone, still, await count()) == (1, 1, 0)
    assert sorted((row.agent_id, row.ticket_id) for row in await floor.all(Notice)) == [
        (lin, ticket.id),
        (ming, ticket.id),
    ]
    assert "notice.told_late" in await floor.actions(ticket)


async def test_what_was_settled_without_anybody_knowing_need_not_be_told(floor: Floor) -> None:
    ticket = await floor.open(level=Level.HUMAN_QUEUE)
    lin = await floor.hire("lin")
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)

    await floor.do(reminders.deliver_late, floor.desk.rules)

    assert await unseen(floor, lin, HOUR) == []


async def hurried(floor: Floor, ticket: Any) -> None:
    await floor.do(floor.desk.hurry, ticket)


async def woken(floor: Floor, ticket: Any) -> None:
    await floor.do(floor.desk.snooze, ticket.id, ticket.assignee_id, floor.now + MINUTE)
    await alarms.ring(floor.database, lambda: floor.now + HOUR, floor.desk)


@pytest.mark.parametrize("happens", [hurried, woken])
async def test_what_its_holder_cannot_hear_is_told_to_those_who_are_there(
    floor: Floor, lin: int, ming: int, happens: Any
) -> None:
    here, left = await floor.open(), await floor.open()
    for ticket in (here, left):
        await floor.do(floor.desk.take, ticket.id, lin)
    await happens(floor, await floor.fresh(here))
    await floor.do(floor.desk.set_away, lin, lin)

    await happens(floor, await floor.fresh(left))

    assert [(notice.ticket_id, notice.agent_id) for notice in await floor.all(Notice)] == [
        (here.id, lin),
        (left.id, ming),
    ]


# Again


async def test_an_unseen_notice_is_repeated_so_many_times_and_shown_once(floor: Floor, lin: int) -> None:
    ticket = await floor.open(level=Level.HUMAN_QUEUE)

    repeated = [await remind(floor, minute * MINUTE) for minute in range(0, 300, 10)]

    assert [minute * 10 for minute, count in enumerate(repeated) if count] == [30, 60, 90]
    assert len(await floor.all(Notice)) == 4
    assert await unseen(floor, lin, 5 * HOUR) == ["escalated"]
    row = (await floor.all(AuditRow, action="notice.repeated"))[0]
    assert (row.subject, row.after) == (f"ticket:{ticket.id}", {"told": [f"agent:{lin}"]})


async def seen(floor: Floor, ticket: Any, lin: int, ming: int) -> None:
    await floor.do(notices.mark_seen, lin, 99)


async def taken_by_another(floor: Floor, ticket: Any, lin: int, ming: int) -> None:
    await floor.do(floor.desk.take, ticket.id, ming)
    await floor.do(notices.mark_seen, ming, 99)


async def answered(floor: Floor, ticket: Any, lin: int, ming: int) -> None:
    await floor.do(floor.desk.reply, ticket.id, ming, "您好")


async def gone_away(floor: Floor, ticket: Any, lin: int, ming: int) -> None:
    async with floor.database.writing() as session:
        (await session.get_one(Agent, lin)).is_away = True


@pytest.mark.parametrize("happens", [seen, taken_by_another, answered, gone_away])
async def test_what_needs_no_repeating_is_not_repeated(floor: Floor, lin: int, ming: int, happens: Any) -> None:
    ticket = await floor.open(level=Level.HUMAN_QUEUE)
    await floor.do(notices.mark_seen, ming, 99)

    await happens(floor, ticket, lin, ming)

    assert await remind(floor, HOUR) == 0


async def test_a_ticket_of_the_bot_is_nothing_to_be_reminded_of(floor: Floor, lin: int) -> None:
    await floor.open()
    await floor.sweep(floor.now + 20 * HOUR + MINUTE)

    assert len(await floor.all(Notice)) == 1
    assert await remind(floor, 22 * HOUR) == 0


async def test_repeats_wait_for_the_morning_too(floor: Floor, lin: int) -> None:
    floor.desk = quietly()
    await floor.open(at=floor.now - 6 * HOUR, level=Level.HUMAN_QUEUE)

    assert await remind(floor, timedelta()) == 1
    assert (await floor.all(Notice))[-1].not_before == floor.now + 4 * HOUR
    assert await remind(floor, HOUR) == 0
    assert await remind(floor, 4 * HOUR + 29 * MINUTE) == 0
    assert await remind(floor, 4 * HOUR + 30 * MINUTE) == 1
