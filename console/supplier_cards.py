"""What a ticket's page shows of each claim's supplier: who it is, what was asked, and what they said."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.tables import Batch, Supplier
from tickets.supplier_checks import BAD, GOOD, SupplierChecks, find_checks
from tickets.tables import Claim, SupplierCheck, Ticket


@dataclass(frozen=True, slots=True)
class SupplierCard:
    """Where the code of a claim came from."""

    supplier: Supplier
    batch: Batch | None  # None: a foreign shop knows the supplier alone
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
    suppliers = await _rows(session, Supplier, {claim.supplier_id for claim in claims})
    batches = await _rows(session, Batch, {claim.batch_id for claim in claims})
    checks = await find_checks(session, [claim.id for claim in claims if claim.id is not None])
    cards = {}
    for claim in claims:
        if claim.id is None or claim.supplier_id not in suppliers:
            continue
        card = SupplierCard(suppliers[claim.supplier_id], batches.get(claim.batch_id), checks.get(claim.id))
        if card.may_ask and claim.ticket_id == ticket.id:
            card = replace(card, complaint=await desk.complaint(session, claim, card.supplier))
        cards[claim.id] = card
    return cards


Row = TypeVar("Row", Supplier, Batch)


async def _rows(session: AsyncSession, table: type[Row], ids: set[int | None]) -> dict[int | None, Row]:
    found = await session.exec(select(table).where(col(table.id).in_(ids - {None})))
    return {row.id: row for row in found.all()}
