"""A code that two buyers claim: the later claim is set aside, and each of the two tickets names the other."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import aliased
from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.conversations import add_note
from tickets.tables import Claim, Ticket, id_of

if TYPE_CHECKING:
    from tickets.desk import Desk

CONTESTED = "contested"  # the `why` of a claim that was set aside


async def find_rivals(session: AsyncSession, claims: Sequence[Claim]) -> list[tuple[Ticket, list[Claim]]]:
    """The tickets of the open claims about the same codes, and which of these claims each is the rival of."""
    ours, theirs, by_id = aliased(Claim), aliased(Claim), {claim.id: claim for claim in claims}
    is_rival = and_(
        col(theirs.shop) == col(ours.shop),
        col(theirs.order_no) == col(ours.order_no),
        col(theirs.fingerprint) == col(ours.fingerprint),
        col(theirs.id) != col(ours.id),
        col(theirs.decided_at).is_(None),
    )
    found = await session.exec(
        select(Ticket, ours.id)
        .select_from(ours)
        .join(theirs, is_rival)
        .join(Ticket, col(theirs.ticket_id) == col(Ticket.id))
        .where(col(ours.id).in_(by_id))
        .order_by(col(Ticket.id), col(ours.position), col(ours.id))
    )
    rivals: dict[int, tuple[Ticket, list[Claim]]] = {}
    for ticket, claim_id in found.all():
        rivals.setdefault(id_of(ticket), (ticket, []))[1].append(by_id[claim_id])
    return list(rivals.values())


async def note_rivals(
    session: AsyncSession, now: datetime, desk: "Desk", ticket: Ticket, claims: Sequence[Claim]
) -> None:
    """A note on their ticket and on each rival's: who bought the codes is for people to find out."""
    for other, about in await find_rivals(session, claims):
        masked = "、".join(claim.masked for claim in about)
        for one, named in ((ticket, other), (other, ticket)):
            word = desk.say(desk.rules.staff_language, "notice.contested", number=named.number, masked=masked)
            await add_note(session, now, one, word)
