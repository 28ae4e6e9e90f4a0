"""The claims on a ticket's page: one card per code, with what is known of it and who decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.tables import Code, CodeState, Replacement, RevealLink
from tickets.claim_states import UNDECIDED, ClaimState, can_move
from tickets.outbox import Say
from tickets.tables import Buyer, Claim, Outcome, Reason, Ticket

SETTLED = 5  # claims that the bot settled in this conversation without a ticket, the newest


@dataclass(frozen=True, slots=True)
class ClaimCard:
    """A claim and, when it was replaced, what became of the new code."""

    claim: Claim
    replacement: Replacement | None
    code: Code | None  # the new one, sealed
    opened_at: datetime | None  # when the buyer looked at it
    warranty_ends_at: datetime | None  # as of the filing

    @property
    def masked(self) -> str:
        """The new code."""
        return self.code.masked if self.code else ""

    @property
    def is_unseen(self) -> bool:
        """Whether a new link to the new code may be sent."""
        return self.code is not None and self.code.state == CodeState.ISSUED and self.opened_at is None

    @property
    def is_undecided(self) -> bool:
        return self.claim.state in UNDECIDED

    @property
    def may_ask_proof(self) -> bool:
        return can_move(self.claim.state, ClaimState.EVIDENCE)


async def cards_of(session: AsyncSession, ticket: Ticket) -> list[ClaimCard]:
    """The claims of the ticket, and those of its conversation that needed none; what waits to be decided first."""
    settled = (
        select(Claim.id)
        .where(Claim.conversation_id == ticket.conversation_id, col(Claim.ticket_id).is_(None))
        .order_by(col(Claim.id).desc())
        .limit(SETTLED)
    )
    found = await session.exec(
        select(Claim, Replacement, Code, RevealLink.opened_at)
        .join(Replacement, col(Replacement.claim_id) == col(Claim.id), isouter=True)
        .join(Code, col(Code.id) == col(Replacement.code_id), isouter=True)
        .join(RevealLink, col(RevealLink.code_id) == col(Code.id), isouter=True)
        .where(or_(col(Claim.ticket_id) == ticket.id, col(Claim.id).in_(settled)))
        .order_by(col(Claim.id), col(RevealLink.opened_at).is_(None))
    )
    rows = found.all()
    ends = await _warranty_ends(session, [claim for claim, *_ in rows])
    # A code may have had several links; the opened one tells most.
    cards: dict[int | None, ClaimCard] = {}
    for claim, replacement, code, opened_at in rows:
        cards.setdefault(claim.id, ClaimCard(claim, replacement, code, opened_at, ends.get(f"claim:{claim.id}")))
    return sorted(cards.values(), key=lambda card: not card.is_undecided)


async def _warranty_ends(session: AsyncSession, claims: Sequence[Claim]) -> dict[str, datetime]:
    """As each claim was filed, from its audit row: the shop may say something else today."""
    subjects = {f"claim:{claim.id}" for claim in claims}
    filed = select(AuditRow).where(col(AuditRow.subject).in_(subjects), AuditRow.action == "claim.filed")
    rows = (await session.exec(filed)).all()
    ends = {row.subject: (row.after or {}).get("warranty_ends_at") for row in rows}
    return {subject: datetime.fromisoformat(end) for subject, end in ends.items() if end}


def proof_words(say: Say, buyer: Buyer, claim: Claim) -> str:
    """What an agent may ask for a screenshot with, in the buyer's language: to be read, and changed."""
    return say(buyer.language, "claim.staff_asks_proof", product=claim.product_name, masked=claim.masked)


def prepared(say: Say, buyer: Buyer, claim: Claim, outcome: str, because: str = "") -> str:
    """What an agent may send the buyer with this outcome, in the buyer's language: to be read, and changed."""
    reason = because if because in list(Reason) else claim.reason
    text = say(buyer.language, f"{outcome}.{reason}", masked=claim.masked)
    return f"{text}\n{say(buyer.language, 'claim.appeal')}" if outcome == Outcome.REJECT else text
