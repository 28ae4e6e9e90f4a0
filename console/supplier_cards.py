"""What a ticket's page shows of each claim's supplier: who it is, what was asked, and what they said."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.tables import Batch, Supplier
from tickets.supplier_checks import BAD, GOOD, SupplierChecks, find_checks
from tickets.tables import Claim, SupplierCheck, Ticket


@dataclass(frozen=True, slots=True)
class SupplierCard:
    """Where the code of a claim came from."""

    supplier: Supplier
    batch: Batch
    check: SupplierCheck | None
    complaint: str = ""  # as it would be sent now

    @property
    def may_ask(self) -> bool:
        return self.check is None and self.supplier.answers_within is not None

    @property
    def may_answer(self) -> bool:
        """An answer can be written down, late or not."""
        return self.check is not None and self.check.answer not in (BAD, GOOD)


async def supplier_cards(
    session: AsyncSession, desk: SupplierChecks, ticket: Ticket, claims: Sequence[Claim]
) -> dict[int, SupplierCard]:
    """By claim; a claim about a code that no table of ours knows has none. The ticket's own can be complained about."""
    batches = {claim.batch_id for claim in claims if claim.batch_id is not None}
    found = await session.exec(
        select(Batch, Supplier)
        .join(Supplier, col(Supplier.id) == col(Batch.supplier_id))
        .where(col(Batch.id).in_(batches))
    )
    known = {batch.id: (supplier, batch) for batch, supplier in found.all()}
    checks = await find_checks(session, [claim.id for claim in claims if claim.id is not None])
    cards = {}
    for claim in claims:
        if claim.id is None or claim.batch_id not in known:
            continue
        card = SupplierCard(*known[claim.batch_id], checks.get(claim.id))
        if card.may_ask and claim.ticket_id == ticket.id:
            card = replace(card, complaint=await desk.complaint(session, claim, card.supplier))
        cards[claim.id] = card
    return cards
