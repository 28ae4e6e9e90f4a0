"""Staff ask for a screenshot: the claim waits on its buyer, and is theirs again when something comes."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.port import Order
from shop.tables import Supplier
from tests.tickets.conftest import say
from tests.tickets.counter import HOUR, ORDER, Counter
from tickets import alarms, claim_alarms, conversations
from tickets.alarms import nothing_unheard
from tickets.claim_states import ClaimState
from tickets.claims import Claims, Reason, Stop
from tickets.desk import Desk, DeskRules
from tickets.errors import ClaimStands, CodeInText, HeldByColleague, NoOpenClaim
from tickets.screenshots import Screenshots
from tickets.sla import Metric, Policy
from tickets.tables import Claim, Clock, Message, Phase, Ticket

WORDS = "您好，请把兑换时的提示截图发过来。"


@pytest.fixture
def desk() -> Desk:
    return Desk(say, DeskRules(policies=(Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=72 * HOUR),)))


async def claimed(counter: Counter) -> Ticket:
    """A claim that a person has; for this reason no bot decides."""
    ticket = (await counter.file(reason=Reason.OTHER)).ticket
    assert ticket is not None
    return ticket


async def ask(counter: Counter, ticket: Ticket, agent: int, text: str = WORDS) -> Claim:
    claim = (await counter.floor.all(Claim, ticket_id=ticket.id))[0]
    return await counter.floor.do(Screenshots(counter.claims).ask, ticket.id, agent, claim.id, text)


async def answer(
    counter: Counter, *, has_picture: bool = True, order: Order | None = ORDER, after: timedelta = HOUR
) -> list[str]:
    """The buyer sends a picture, or says that there is none; the numbers of the tickets that heard it."""
    screenshots = Screenshots(counter.claims)

    async def verb(session: AsyncSession, now: datetime) -> list[str]:
        message = await conversations.add_message(session, now, counter.conversation, "提示已被使用")
        place = (session, now, counter.conversation)
        if has_picture:
            heard = await screenshots.take(*place, ORDER.order_no, message, order, message.text)
        else:
            heard = await screenshots.do_without(*place, message)
        return [ticket.number for ticket in heard]

    return await counter.floor.do(verb, at=counter.floor.now + after)


async def test_the_claim_and_its_ticket_wait_on_the_buyer_who_is_asked_in_these_words(
    counter: Counter, lin: int
) -> None:
    ticket = await claimed(counter)

    claim = await ask(counter, ticket, lin)

    now = await counter.floor.fresh(ticket)
    assert (claim.state, now.phase, now.assignee_id) == (ClaimState.EVIDENCE, Phase.WAITING, lin)
    assert await counter.floor.queued() == [WORDS]


async def test_the_clocks_that_pause_for_the_buyer_pause_until_the_picture_comes(counter: Counter, lin: int) -> None:
    ticket = await claimed(counter)
    (before,) = await counter.floor.all(Clock, metric=Metric.RESOLUTION)

    await ask(counter, ticket, lin)
    await counter.floor.deliver()
    await answer(counter, after=5 * HOUR)

    (after,) = await counter.floor.all(Clock, metric=Metric.RESOLUTION)
    assert after.due_at - before.due_at == 5 * HOUR


async def test_the_picture_brings_the_claim_back_to_who_asked_and_no_bot_decides(counter: Counter, lin: int) -> None:
    ticket = await claimed(counter)
    await ask(counter, ticket, lin)

    heard = await answer(counter)
    twice = await answer(counter)

    claim, now = await counter.floor.one(Claim), await counter.floor.fresh(ticket)
    assert (heard, twice) == ([ticket.number], [])
    assert (claim.state, claim.outcome, claim.error_text) == (ClaimState.REVIEW, None, "提示已被使用")
    assert (now.phase, now.assignee_id) == (Phase.OPEN, lin)
    assert (await counter.floor.all(Message, author="buyer"))[0].ticket_id == ticket.id


async def test_a_picture_that_makes_it_look_like_fraud_holds_the_claim(counter: Counter, lin: int) -> None:
    async def gate(session: AsyncSession, now: datetime, claim: Claim, order: Order) -> Stop | None:
        return Stop("risk", ClaimState.HELD)

    ticket = await claimed(counter)
    await ask(counter, ticket, lin)
    counter.claims = Claims(counter.floor.desk, counter.claims.vault, counter.claims.rules, gates=(gate,))

    await answer(counter)

    claim = await counter.floor.one(Claim)
    assert (claim.state, claim.why) == (ClaimState.HELD, "risk")
    await ask(counter, ticket, lin)
    await answer(counter, has_picture=False)
    assert (await counter.floor.one(Claim)).state == ClaimState.HELD


async def test_the_supplier_who_was_to_be_asked_still_is(counter: Counter, lin: int) -> None:
    ticket, prints = await claimed(counter), counter.code.fingerprint
    async with counter.floor.database.writing() as session:
        supplier = (await session.exec(select(Supplier))).one()
        supplier.answers_within = timedelta(days=1)
        claim = (await session.exec(select(Claim).where(Claim.fingerprint == prints))).one()
        claim.supplier_id = supplier.id

    await ask(counter, ticket, lin)
    await answer(counter)
    again = await ask(counter, ticket, lin)

    states = [row.after["state"] for row in await counter.floor.all(AuditRow, action="claim.moved") if row.after]
    assert states[-3:] == [ClaimState.REVIEW, ClaimState.SUPPLIER_CHECK, ClaimState.EVIDENCE]
    assert again.id == claim.id


async def test_without_a_picture_or_the_shop_a_person_goes_on_all_the_same(counter: Counter, lin: int) -> None:
    ticket = await claimed(counter)
    await ask(counter, ticket, lin)
    without = await answer(counter, has_picture=False)
    state = (await counter.floor.one(Claim)).state
    await ask(counter, ticket, lin)

    away = await answer(counter, order=None)

    assert (without, state, away) == ([ticket.number], ClaimState.REVIEW, [ticket.number])
    assert len(await counter.floor.all(Ticket)) == 1


async def test_silence_is_the_tickets_and_the_claim_ends_with_it(counter: Counter, lin: int) -> None:
    ticket, rules = await claimed(counter), counter.floor.desk.rules
    await ask(counter, ticket, lin)
    await counter.floor.deliver()
    database, states = counter.floor.database, []

    for late in (100 * HOUR, 200 * HOUR):
        at = counter.floor.now + late
        rested = await claim_alarms.ring(database, lambda at=at: at, counter.claims, nothing_unheard)  # type: ignore[misc]
        await alarms.ring(database, lambda at=at: at, counter.floor.desk)  # type: ignore[misc]
        await counter.floor.deliver(at=at)
        states.append((rested.silent, (await counter.floor.one(Claim)).state))

    assert rules.silence_closes_after <= 100 * HOUR
    assert states == [(0, ClaimState.EVIDENCE), (0, ClaimState.CLOSED)]
    assert (await counter.floor.fresh(ticket)).phase == Phase.CLOSED


async def test_only_who_holds_the_ticket_asks_about_a_claim_of_it_and_never_twice_or_with_a_code(
    counter: Counter, lin: int, ming: int
) -> None:
    ticket = await claimed(counter)
    await counter.floor.do(counter.floor.desk.take, ticket.id, lin)

    with pytest.raises(HeldByColleague):
        await ask(counter, ticket, ming)
    with pytest.raises(CodeInText):
        await ask(counter, ticket, lin, "卡密 K7Q2M-9XH4T-R3VNP 的截图呢")
    with pytest.raises(NoOpenClaim):
        await counter.floor.do(Screenshots(counter.claims).ask, ticket.id, lin, 99, WORDS)
    await ask(counter, ticket, lin)
    with pytest.raises(ClaimStands):
        await ask(counter, ticket, lin)
