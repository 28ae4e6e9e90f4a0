"""What was said, found by the channel's numbers of it; changed or taken back by who said it, and kept all the same."""

from collections.abc import Collection
from datetime import datetime

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.rotation import Seals, text_not_under
from shop.vault import Vault
from tickets import hidden_words
from tickets.tables import Direction, Message, MessageRevision, Outgoing, id_of


async def find_said(session: AsyncSession, conversation_id: int, foreign_id: str) -> Message | None:
    """The message that the channel knows by this id, the buyer's or ours."""
    found = await _said(session, conversation_id, {foreign_id} if foreign_id else set())
    return found[-1] if found else None


async def is_last_word(session: AsyncSession, message: Message) -> bool:
    """Whether the buyer has said nothing after it."""
    later = select(Message.id).where(
        Message.conversation_id == message.conversation_id, Message.direction == Direction.IN
    )
    return (await session.exec(later.where(col(Message.id) > message.id).limit(1))).first() is None


def typed(vault: Vault, message: Message) -> str:
    """The words as they were typed, as far as they are kept at all: never store, log or queue them."""
    if not message.sealed:
        return message.text
    return vault.open_text(hidden_words.SEAL, str(message.id), message.sealed)


async def revise(session: AsyncSession, now: datetime, message: Message, text: str, actor: str) -> MessageRevision:
    """Let the message say `text`, masked by the caller, from now on; the revision keeps what it said before."""
    former = MessageRevision(message_id=id_of(message), text=message.text, sealed=message.sealed, replaced_at=now)
    message.text, message.sealed = text, None
    session.add_all([former, message])
    await session.flush()
    record(session, now, actor, "message.edited", f"message:{message.id}", after={"revision": former.id})
    return former


async def withdraw(
    session: AsyncSession, now: datetime, conversation_id: int, foreign_ids: Collection[str], actor: str
) -> int:
    """These messages were taken back: mark those that we have, once; how many."""
    found = [one for one in await _said(session, conversation_id, foreign_ids) if one.withdrawn_at is None]
    for message in found:
        message.withdrawn_at = now
        session.add(message)
        record(session, now, actor, "message.withdrawn", f"message:{message.id}")
    return len(found)


async def former_words(session: AsyncSession, message_ids: Collection[int]) -> dict[int, list[MessageRevision]]:
    """What these messages said before, the oldest first."""
    found = await session.exec(
        select(MessageRevision)
        .where(col(MessageRevision.message_id).in_(message_ids))
        .order_by(col(MessageRevision.id))
    )
    words: dict[int, list[MessageRevision]] = {}
    for revision in found.all():
        words.setdefault(revision.message_id, []).append(revision)
    return words


async def _said(session: AsyncSession, conversation_id: int, foreign_ids: Collection[str]) -> list[Message]:
    if not foreign_ids:
        return []
    # A long message of ours went out in parts, and has all their ids.
    sent = "," + col(Outgoing.foreign_id) + ","
    ours = [sent.contains(f",{foreign_id},", autoescape=True) for foreign_id in foreign_ids]
    found = await session.exec(
        select(Message)
        .join(Outgoing, col(Outgoing.message_id) == col(Message.id), isouter=True)
        .where(Message.conversation_id == conversation_id)
        .where(or_(col(Message.foreign_id).in_(foreign_ids), *ours))
        .order_by(col(Message.id))
    )
    return list(found.all())


def _renew(vault: Vault, row: MessageRevision) -> None:
    row.sealed = vault.renew_text(hidden_words.SEAL, str(row.message_id), row.sealed or "")


SEALS = Seals(MessageRevision, text_not_under(col(MessageRevision.sealed)), _renew)
