"""Statuses: names over the phases, which move as their verbs move them."""

from datetime import timedelta

import pytest

from tests.tickets.conftest import Floor, say
from tickets.desk import Desk, DeskRules
from tickets.errors import InvalidTransition, OutcomeMissing, StillOwed, UnknownStatus
from tickets.naming import word_of
from tickets.sla import Metric, Policy
from tickets.statuses import Status, statuses
from tickets.tables import Clock, Cycle, Level, Outcome, Pause, Phase

HOUR = timedelta(hours=1)
ASKING = Status("asking_supplier", Phase.OPEN, {"zh": "等供应商", "en": "Asking the supplier"})
SCREENSHOT = Status("needs_screenshot", Phase.WAITING, {"zh": "等截图", "en": "Waiting for a screenshot"})
RULES = DeskRules(
    statuses=statuses([ASKING, SCREENSHOT]), policies=(Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=72 * HOUR),)
)


@pytest.fixture
def desk() -> Desk:
    return Desk(say, RULES)


async def test_another_name_for_the_same_phase_moves_nothing(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    clocks = await floor.all(Clock)

    await floor.do(floor.desk.set_status, ticket.id, lin, "asking_supplier", at=floor.now + HOUR)

    named = await floor.fresh(ticket)
    assert (named.status, named.phase, named.waiting_since) == ("asking_supplier", Phase.OPEN, floor.now)
    assert await floor.all(Clock) == clocks
    assert (await floor.actions(ticket))[-1] == "ticket.status_set"


async def test_a_name_stays_as_long_as_the_phase_does(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.set_status, ticket.id, lin, "asking_supplier")

    await floor.sweep(floor.now + 25 * HOUR)
    escalated = await floor.fresh(ticket)
    await floor.do(floor.desk.reply, ticket.id, lin, "您好", at=floor.now + 26 * HOUR)

    assert (escalated.status, escalated.level) == ("asking_supplier", Level.HUMAN_QUEUE)
    assert (await floor.fresh(ticket)).status == Phase.WAITING


async def test_a_waiting_name_pauses_and_an_open_one_goes_on(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.set_status, ticket.id, lin, "needs_screenshot", at=floor.now + HOUR)
    waiting = await floor.fresh(ticket)
    await floor.do(floor.desk.set_status, ticket.id, lin, "open", at=floor.now + 4 * HOUR)

    assert (waiting.phase, waiting.waiting_since) == (Phase.WAITING, None)
    pause = await floor.one(Pause)
    assert (pause.since, pause.until) == (floor.now + HOUR, floor.now + 4 * HOUR)
    assert (await floor.one(Clock, metric="resolution")).due_at == floor.now + 75 * HOUR
    back = await floor.fresh(ticket)
    assert (back.status, back.waiting_since, back.closes_at) == ("open", floor.now, None)


async def test_an_answered_ticket_that_staff_open_again_waits_from_then(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图")
    await floor.deliver()

    await floor.do(floor.desk.set_status, ticket.id, lin, "open", at=floor.now + 4 * HOUR)

    assert (await floor.fresh(ticket)).waiting_since == floor.now + 4 * HOUR


async def test_resolving_says_how_and_opening_again_is_a_new_cycle(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    with pytest.raises(OutcomeMissing):
        await floor.do(floor.desk.set_status, ticket.id, lin, "resolved")
    await floor.do(floor.desk.set_status, ticket.id, lin, "resolved", outcome=Outcome.INSTRUCT)
    await floor.deliver()
    await floor.do(floor.desk.set_status, ticket.id, lin, "asking_supplier", at=floor.now + HOUR)

    first, second = await floor.all(Cycle)
    assert (first.outcome, first.resolved_at, second.ordinal) == (Outcome.INSTRUCT, floor.now, 2)
    again = await floor.fresh(ticket)
    assert (again.status, again.phase) == ("asking_supplier", Phase.OPEN)


async def test_closing_is_no_way_round_the_promise(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    with pytest.raises(StillOwed):
        await floor.do(floor.desk.set_status, ticket.id, lin, "closed")
    await floor.do(floor.desk.set_status, ticket.id, lin, "waiting")
    with pytest.raises(StillOwed):
        await floor.do(floor.desk.set_status, ticket.id, lin, "closed")

    assert (await floor.sweep(floor.now + 25 * HOUR)).escalated == 1


async def test_what_is_closed_stays_closed_and_unknown_names_are_refused(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    await floor.deliver()
    await floor.do(floor.desk.set_status, ticket.id, lin, "closed")

    with pytest.raises(InvalidTransition):
        await floor.do(floor.desk.set_status, ticket.id, lin, "open")
    with pytest.raises(UnknownStatus):
        await floor.do(floor.desk.set_status, ticket.id, lin, "nonsense")


def test_a_status_has_words_in_every_language() -> None:
    words = [word_of(RULES, say, language, "asking_supplier") for language in ("zh", "en")]

    assert words == ["等供应商", "Asking the supplier"]
    assert word_of(RULES, say, "zh", "waiting") == "zh:status.waiting"
    assert word_of(RULES, say, "zh", "of another time") == "of another time"
