"""Claims that wait for a screenshot, or for one more complaint, and what closes them."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.port import Order
from shop.tables import Proof, Replacement
from tests.tickets.counter import GOODS, HOUR, ORDER, Counter
from tickets import claim_alarms
from tickets.claim_alarms import Rested
from tickets.claims import Outcome, Reason
from tickets.tables import Claim, Conversation, Ticket

PROVED: Order = replace(ORDER, goods=replace(GOODS, proof=Proof.SCREENSHOT))
TICK = timedelta.resolution


async def ring(counter: Counter, after: timedelta, limit: int = 100, *, is_unheard: bool = False) -> Rested:
    now = counter.floor.now + after

    def clock() -> datetime:
        return now

    async def unheard(session: AsyncSession, conversation: Conversation) -> bool:
        return is_unheard

    return await claim_alarms.ring(counter.floor.database, clock, counter.claims, unheard, limit)


async def take_proof(counter: Counter, after: timedelta = timedelta()) -> list[str]:
    settled = await counter.floor.do(
        counter.claims.take_proof, counter.conversation, PROVED, at=counter.floor.now + after
    )
    return [one.kind for one in settled]


# The screenshot


async def test_a_claim_waits_for_its_screenshot_and_goes_on_when_it_comes(counter: Counter) -> None:
    asked = await counter.file(PROVED)
    again = await counter.file(PROVED)

    kinds = await take_proof(counter)

    assert (asked.kind, asked.claim.state, again.kind, again.is_repeat) == ("proof", "evidence", "proof", True)
    assert kinds == ["replaced"]
    rows = await counter.floor.all(AuditRow, action="claim.moved")
    assert [row.after["state"] for row in rows if row.after] == ["evidence", "triage"]


async def test_a_screenshot_that_nobody_waits_for_moves_nothing(counter: Counter) -> None:
    await counter.file()

    assert await take_proof(counter) == []
    assert len(await counter.floor.all(Replacement)) == 1


@pytest.mark.parametrize(
    ("order", "reason", "kind"),
    [
        pytest.param(PROVED, Reason.OTHER, "proof", id="a person will look at it"),
        pytest.param(replace(PROVED, refunded=1), Reason.ALREADY_USED, "ticket", id="a picture changes nothing"),
        pytest.param(replace(PROVED, delivered_at=None), Reason.ALREADY_USED, "ticket", id="nor here"),
    ],
)
async def test_it_is_asked_for_where_it_can_change_something(
    counter: Counter, order: Order, reason: Reason, kind: str
) -> None:
    assert (await counter.file(order, reason=reason)).kind == kind


async def test_after_two_days_of_silence_the_claim_is_closed_with_a_word(counter: Counter) -> None:
    await counter.file(PROVED)

    early = await ring(counter, 48 * HOUR)
    closed = await ring(counter, 48 * HOUR + TICK)
    again = await ring(counter, 49 * HOUR)

    assert (early, closed, again) == (Rested(), Rested(silent=1), Rested())
    claim = await counter.floor.one(Claim)
    assert (claim.state, claim.outcome, claim.decided_at) == ("closed", None, counter.floor.now + 48 * HOUR + TICK)
    assert await counter.floor.queued() == ["zh:claim.proof_late masked=****-OLD1"]


async def test_who_has_spoken_and_was_not_heard_yet_is_not_silent(counter: Counter) -> None:
    await counter.file(PROVED)

    assert await ring(counter, 49 * HOUR, is_unheard=True) == Rested()
    assert (await counter.floor.one(Claim)).state == "evidence"


@pytest.mark.parametrize(("days", "kinds"), [(7, ["replaced"]), (8, [])], ids=["in time", "too late"])
async def test_a_screenshot_that_comes_late_files_the_claim_again(
    counter: Counter, days: int, kinds: list[str]
) -> None:
    await counter.file(PROVED)
    await ring(counter, 48 * HOUR + TICK)

    assert await take_proof(counter, timedelta(days=2 + days)) == kinds
    assert [claim.state for claim in await counter.floor.all(Claim)] == ["closed", *["decided"] * len(kinds)]
    assert await take_proof(counter, timedelta(days=2 + days)) == []


async def test_it_is_asked_for_once_more_and_then_a_person_looks(counter: Counter) -> None:
    kinds = []
    for day in (0, 3, 6):
        settled = await counter.file(PROVED, at=counter.floor.now + timedelta(days=day))
        kinds.append((settled.kind, settled.why))
        await ring(counter, timedelta(days=day + 2) + TICK)

    assert kinds == [("proof", "proof"), ("proof", "proof"), ("ticket", "no_proof")]


@pytest.mark.parametrize("schedulers", [2, 4])
async def test_several_schedulers_close_it_once(counter: Counter, schedulers: int) -> None:
    codes = [counter.new_code(f"SOLD-{number}", number) for number in range(5)]
    await counter.file_all(codes, PROVED)

    rung = await asyncio.gather(*(ring(counter, 49 * HOUR, limit=2) for _ in range(schedulers)))

    assert sum(one.silent for one in rung) == 5
    assert len(await counter.floor.queued()) == 5


async def test_the_screenshot_and_the_tick_leave_one_claim_with_one_outcome(counter: Counter) -> None:
    await counter.file(PROVED)

    (rung, kinds) = await asyncio.gather(ring(counter, 49 * HOUR), take_proof(counter, 49 * HOUR))

    # In time, or a moment too late: then it is filed again.
    assert (rung.silent, kinds) in [(1, ["replaced"]), (0, ["replaced"]), (1, [])]
    assert len(await counter.floor.all(Replacement)) == len(kinds)
    states = [claim.state for claim in await counter.floor.all(Claim)]
    assert states == ["closed"] * rung.silent + ["decided"] * len(kinds)


# After the outcome


async def test_a_settled_claim_is_closed_after_three_days_without_complaint(counter: Counter) -> None:
    settled = await counter.file()
    await counter.look(settled.link, at=counter.floor.now + HOUR)

    early = await ring(counter, 73 * HOUR)
    closed = await ring(counter, 73 * HOUR + TICK)

    assert (early, closed) == (Rested(), Rested(settled=1))
    assert (await counter.floor.one(Claim)).state == "closed"
    assert await counter.floor.queued() == []


async def test_what_people_have_is_not_closed_by_time(counter: Counter, lin: int) -> None:
    first = await counter.file(reason=Reason.OTHER)

    assert await ring(counter, 1_000 * HOUR) == Rested()

    await counter.resolve(first.ticket, lin, Outcome.REJECT)
    assert await ring(counter, 1_000 * HOUR) == Rested(settled=1)
    assert (await counter.floor.one(Ticket)).phase == "resolved"


async def test_a_complaint_after_that_is_the_next_round_all_the_same(counter: Counter) -> None:
    first = await counter.file()
    fresh = counter.new_code(await counter.look(first.link))
    await ring(counter, 80 * HOUR)

    second = await counter.file(code=fresh, at=counter.floor.now + 81 * HOUR)

    assert (second.kind, second.claim.round) == ("replaced", 2)
    assert [claim.state for claim in await counter.floor.all(Claim)] == ["reopened", "decided"]
