"""What staff may write: some text, not too long, and no code in clear. Codes reach buyers by a one-time link alone."""

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.masking import find_codes
from tickets.errors import CodeInText, EmptyMessage, MessageTooLong
from tickets.tables import Conversation, OrderBinding, Ticket


def tidy(text: str, limit: int, *, may_be_empty: bool = False) -> str:
    """The text without blanks around it; raises `EmptyMessage`, `MessageTooLong` (more than `limit` characters)."""
    text = text.strip()
    if not text and not may_be_empty:
        raise EmptyMessage()
    if len(text) > limit:
        raise MessageTooLong(limit=limit)
    return text


async def refuse_codes(session: AsyncSession, ticket: Ticket, text: str) -> None:
    """Raises `CodeInText` when staff wrote what looks like a code; the order numbers of this buyer are none.

    Refused, not masked as buyers' words are: a masked reply would puzzle its buyer, count as handling, and leave the
    agent in the belief that the code went out.
    """
    require_no_code(text, await own_orders(session, ticket))


def require_no_code(text: str, keep: frozenset[str] = frozenset()) -> None:
    """Raises `CodeInText` when the text holds what looks like a code and is none of `keep`."""
    codes = find_codes(text, keep)
    if codes:
        raise CodeInText(masked=", ".join(dict.fromkeys(codes)))


async def own_orders(session: AsyncSession, ticket: Ticket) -> frozenset[str]:
    """The numbers of the orders that the ticket is about, or whose owner its buyer has proved to be."""
    proved = (
        select(OrderBinding.order_no)
        .join(Conversation, OrderBinding.identity_id == Conversation.identity_id)  # type: ignore[arg-type]
        .where(Conversation.id == ticket.conversation_id)
    )
    named = (ticket.order_ref or "").rpartition("/")[2]
    return frozenset((await session.exec(proved)).all()) | ({named} if named else frozenset())
