"""One compensation per code: what the outcome of a ticket does to its claims, and to codes that were given for them."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import ledger
from tickets import filing
from tickets.claim_states import UNDECIDED
from tickets.errors import AlreadyCompensated, CodeSeen, NotReplaced
from tickets.tables import Claim, Outcome, Ticket

# Outcomes that give the buyer their money back; who has that gets no code as well.
REFUNDS = frozenset({Outcome.REFUND, Outcome.PARTIAL_REFUND})


async def decide(session: AsyncSession, now: datetime, ticket: Ticket, outcome: Outcome, actor: str) -> None:
    """Give the ticket's claims their outcome.

    Raises `NotReplaced` (only the ledger makes that true), `AlreadyCompensated`, and of a refund `CodeSeen` when the
    buyer has looked at a replacement. One that nobody has looked at is put out of use.
    """
    found = await session.exec(select(Claim).where(Claim.ticket_id == ticket.id).order_by(col(Claim.id)))
    claims = list(found.all())
    undecided = [claim for claim in claims if claim.state in UNDECIDED]
    if undecided and outcome == Outcome.REPLACE:
        raise NotReplaced(number=ticket.number)
    if outcome in REFUNDS:
        undecided = undecided or [claim for claim in claims if claim.outcome == Outcome.REPLACE]
        for claim in undecided:
            await _make_room(session, now, ticket, claim, actor)
    for claim in undecided:
        await filing.decide(session, now, claim, outcome, actor)


async def outcomes_before(session: AsyncSession, claim: Claim) -> set[str]:
    """How other claims about the same code of the same order were decided, whoever filed them."""
    found = await session.exec(
        select(Claim.outcome)
        .where(Claim.shop == claim.shop, Claim.order_no == claim.order_no, Claim.fingerprint == claim.fingerprint)
        .where(col(Claim.outcome).is_not(None), col(Claim.id) != claim.id)
    )
    return {outcome for outcome in found.all() if outcome is not None}


async def _make_room(session: AsyncSession, now: datetime, ticket: Ticket, claim: Claim, actor: str) -> None:
    """See to it that a refund is the only compensation of the code claimed."""
    if REFUNDS & await outcomes_before(session, claim):
        raise AlreadyCompensated(number=ticket.number)
    place = claim.shop, claim.order_no, claim.fingerprint
    given = await ledger.find_last(session, *place)
    if given is not None and not await ledger.withdraw(session, now, given.code_id, actor):
        raise CodeSeen(number=ticket.number)
    claimed = await ledger.find_issued(session, *place)
    if claimed is not None:  # seen or not: it is the one that is paid back
        await ledger.withdraw(session, now, claimed.code_id, actor)
