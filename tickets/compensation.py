"""One compensation per code: what the outcome of a ticket does to its claims, and to codes that were given for them.

Money and goods of an order wait for each other: whoever gives either holds the order's money first (`shop.refunds`).
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import ledger, refunds, reveals
from shop.states import OUT, quarantine
from shop.tables import Code, CodeState, Refund, RefundState, Replacement
from tickets import filing
from tickets.cases import hold_case
from tickets.claim_states import UNDECIDED, ClaimState, can_move
from tickets.errors import AlreadyCompensated, CodeSeen, NotReplaced, TicketError
from tickets.money_errors import AlreadyAsked, NotRefunded, OrderSeen, RefundPending
from tickets.tables import Approval, Claim, Outcome, Ticket

# Outcomes that give the buyer their money back; who has that gets no code as well.
REFUNDS = frozenset({Outcome.REFUND, Outcome.PARTIAL_REFUND})


async def decide(session: AsyncSession, now: datetime, ticket: Ticket, outcome: Outcome, actor: str) -> None:
    """Give the ticket's claims their outcome.

    Raises `NotReplaced` and `NotRefunded`, for only the ledgers make that true, and `RefundPending`.
    """
    found = await session.exec(select(Claim).where(Claim.ticket_id == ticket.id).order_by(col(Claim.id)))
    claims = list(found.all())
    undecided = [claim for claim in claims if claim.state in UNDECIDED]
    if undecided and outcome == Outcome.REPLACE:
        raise NotReplaced(number=ticket.number)
    live = await refunds_of(session, ticket)
    if is_under_way(live):
        raise RefundPending(number=ticket.number)
    paid = {refund.claim_id for refund in live}
    if outcome in REFUNDS and (not live or any(claim.id not in paid for claim in undecided)):
        raise NotRefunded(number=ticket.number)
    for claim in undecided:
        await filing.decide(session, now, claim, outcome, actor)


async def refunds_of(session: AsyncSession, ticket: Ticket) -> Sequence[Refund]:
    """The refunds of this matter that are under way or done."""
    claims = select(Claim.id).where(Claim.ticket_id == ticket.id)
    found = await session.exec(
        select(Refund)
        .where(or_(col(Refund.ticket_id) == ticket.id, col(Refund.claim_id).in_(claims)))
        .where(col(Refund.state).not_in(refunds.ENDED))
        .order_by(col(Refund.id))
    )
    return found.all()


def is_under_way(live: Sequence[Refund]) -> bool:
    """Whether one of these live refunds is not paid yet."""
    return any(refund.state != RefundState.DONE for refund in live)


async def find_under_way(session: AsyncSession, ticket: Ticket) -> TicketError | None:
    """Why its buyer waits for us, whoever has spoken last: money, or the word of a second person."""
    if is_under_way(await refunds_of(session, ticket)):
        return RefundPending(number=ticket.number)
    asked = select(Approval.id).where(Approval.ticket_id == ticket.id, col(Approval.decided_at).is_(None)).limit(1)
    return AlreadyAsked(number=ticket.number) if (await session.exec(asked)).first() is not None else None


async def outcomes_before(session: AsyncSession, claim: Claim) -> set[str]:
    """How other claims about the same code of the same order were decided, whoever filed them.

    See `cases.hold_case` for what is held from here on.
    """
    return (await hold_case(session, claim)).outcomes_beside(claim.id)


async def sold_code(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> str:
    """The fingerprint of the code with which this one's chain began: that is what was paid for."""
    while (given := await ledger.find_issued(session, shop, order_no, fingerprint)) is not None:
        fingerprint = given.replaced_fingerprint
    return fingerprint


async def require_refundable(session: AsyncSession, number: str, shop: str, order_no: str, code: str | None) -> None:
    """Raises `AlreadyCompensated`, and `CodeSeen` when the buyer has looked at what was given for it.

    `code` is the fingerprint of the code that is bad; None: the order as a whole is refunded, be it in part. Nobody can
    tell of such money which codes it is for, so it takes the place of every replacement.
    """
    if code is not None:
        unit = await sold_code(session, shop, order_no, code)
        if await refunds.has_live(session, shop, order_no, unit):
            raise AlreadyCompensated(number=number)
    for given in await _given(session, shop, order_no, code):
        if await reveals.was_seen(session, given.code_id):
            raise _seen(number, code)


async def make_room(
    session: AsyncSession, now: datetime, number: str, shop: str, order_no: str, code: str | None, actor: str
) -> None:
    """Put what was given for a code, or for any of the order, out of use; raises `CodeSeen` when that is too late."""
    for given in await _given(session, shop, order_no, code):
        if not await ledger.withdraw(session, now, given.code_id, actor):
            raise _seen(number, code)
    claimed = await ledger.find_issued(session, shop, order_no, code) if code is not None else None
    if claimed is not None and not await ledger.withdraw(session, now, claimed.code_id, actor):
        # Seen: it is the bad one, which is paid back.
        bad = await session.get_one(Code, claimed.code_id, populate_existing=True)
        if bad.state in OUT:
            await quarantine(session, now, bad.id, CodeState(bad.state), actor, "refunded")


async def settle_claim(session: AsyncSession, now: datetime, claim: Claim, outcome: Outcome, actor: str) -> None:
    """Its money was paid back, after whatever it had come to before; one that has lapsed stays as it is."""
    if claim.outcome is not None or can_move(claim.state, ClaimState.DECIDED):
        await filing.decide(session, now, claim, outcome, actor)


def _seen(number: str, code: str | None) -> CodeSeen:
    return CodeSeen(number=number) if code is not None else OrderSeen(number=number)


async def _given(session: AsyncSession, shop: str, order_no: str, code: str | None) -> Sequence[Replacement]:
    """The replacements that are in use: the end of this code's chain, or all of the order's."""
    if code is not None:
        last = await ledger.find_last(session, shop, order_no, code)
        return [last] if last is not None else []
    found = await session.exec(select(Replacement).where(Replacement.shop == shop, Replacement.order_no == order_no))
    return [given for given in found.all() if await reveals.is_out(session, given.code_id)]
