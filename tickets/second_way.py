"""Another way to reach a buyer whose messenger will soon take no more answers: the web chat, by a link of their own.

The link is signed, and no message that is stored holds it. Who opens it first speaks there as the same buyer, of the
same tickets; it shows nothing that was said before.
"""

import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from audit.trail import record
from shop.vault import Vault
from tickets import meant
from tickets.conversations import add_note
from tickets.lifecycle import ACTIVE
from tickets.outbox import post
from tickets.reply_windows import KEPT_BACK, Verdict, judge
from tickets.tables import Author, Claim, Conversation, Identity, Priority, ReplyWindow, Ticket, id_of

if TYPE_CHECKING:
    from tickets.alarms import Database
    from tickets.ladder import Ladder

WEB = "web"
MARK = "⟦web⟧"  # stands in the stored message where the buyer reads the address
GOOD_FOR = timedelta(days=7)
PAGE = 50  # conversations asked in one look
ACTOR = "scheduler"
OFFERED = "ticket.second_way_offered"
_PAYLOAD = re.compile("(?P<signed>2(?P<end>[0-9]{8})(?P<number>[0-9]{1,18}))(?P<signature>[0-9a-f]{32})")
_EPOCH, _MINUTE = datetime(1970, 1, 1, tzinfo=UTC), timedelta(minutes=1)


def sign(vault: Vault, conversation_id: int, ends_at: datetime) -> str:
    """What a link carries, as long as web chat and Telegram let it: 64 of [A-Za-z0-9_-]."""
    signed = f"2{(ends_at - _EPOCH) // _MINUTE:08d}{conversation_id}"
    return signed + _signature(vault, signed)


def verify(vault: Vault, payload: str, now: datetime) -> int | None:
    """Whose link it is: the number of a conversation; None for what we did not sign, or too long ago."""
    read = _PAYLOAD.fullmatch(payload)
    if read is None or not hmac.compare_digest(read["signature"], _signature(vault, read["signed"])):
        return None
    return int(read["number"]) if now < _EPOCH + int(read["end"]) * _MINUTE else None


def _signature(vault: Vault, signed: str) -> str:
    return vault.keyed_hash("second way", signed)[:32]


async def offer(database: "Database", clock: Callable[[], datetime], ladder: "Ladder", before: timedelta) -> int:
    """Offer it where a window closes within `before`, or what is left is kept for people; to how many buyers.

    It waits for a person's words, and goes out in them, where it would take of the last messages.
    """
    now, offered = clock(), 0
    async with database.reading() as session:
        found = await _due(session, now, before)
    for conversation_id in found:
        async with database.writing() as session:
            offered += await _offer(session, clock(), ladder, conversation_id)
    return offered


async def _due(session: AsyncSession, now: datetime, before: timedelta) -> list[int]:
    is_near = or_(col(ReplyWindow.closes_at) <= now + before, col(ReplyWindow.messages_left) <= KEPT_BACK)
    has_ticket = (
        select(Ticket.id)
        .where(Ticket.conversation_id == ReplyWindow.conversation_id, col(Ticket.phase).in_(ACTIVE))
        .exists()
    )
    open_ones = (col(ReplyWindow.closes_at) > now, col(ReplyWindow.asked_at).is_(None))
    found = select(ReplyWindow.conversation_id).where(*open_ones, is_near, has_ticket)
    return list((await session.exec(found.order_by(col(ReplyWindow.closes_at)).limit(PAGE))).all())


async def _offer(session: AsyncSession, now: datetime, ladder: "Ladder", conversation_id: int) -> bool:
    window = await session.get(ReplyWindow, conversation_id, with_for_update=True, populate_existing=True)
    if window is None or window.asked_at is not None:
        return False
    window.asked_at = now
    session.add(window)
    conversation = await session.get_one(Conversation, conversation_id)
    tickets = await meant.spoken_of(session, conversation)
    if not tickets or await _find_other(session, conversation) is not None or await _is_offered(session, tickets[0]):
        return False
    ticket = tickets[0]
    text = await ladder.words(session, ticket, "window.offer", link=MARK)
    await post(session, now, conversation, text, author=Author.SYSTEM, ticket=ticket, priority=Priority.NOTICE)
    record(session, now, ACTOR, OFFERED, f"ticket:{ticket.id}")
    return True


async def _is_offered(session: AsyncSession, ticket: Ticket) -> bool:
    told = select(AuditRow.id).where(AuditRow.subject == f"ticket:{ticket.id}", AuditRow.action == OFFERED)
    return (await session.exec(told.limit(1))).first() is not None


async def follow(session: AsyncSession, now: datetime, ladder: "Ladder", here: Conversation, number: int) -> bool:
    """The link of conversation `number` was opened in `here`: its buyer speaks here too. False where it does nothing.

    The first who opens it has it. Who has matters of their own here keeps them, and stays who they are.
    """
    lock = {"key_share": True}
    other = await session.get(Conversation, number, with_for_update=lock, populate_existing=True)
    if other is None or here.channel != WEB or other.channel == WEB:
        return False
    if here.buyer_id != other.buyer_id:
        if await _find_other(session, other) is not None or await _has_matters(session, here):
            return False
        identity = await session.get_one(Identity, here.identity_id)
        before, after = {"buyer": here.buyer_id}, {"buyer": other.buyer_id, "through": number}
        identity.buyer_id = here.buyer_id = other.buyer_id
        session.add_all([identity, here])
        actor = f"buyer:{other.buyer_id}"
        record(session, now, actor, "conversation.joined", f"conversation:{id_of(here)}", before, after)
        await session.flush()
    tickets = await meant.spoken_of(session, other)
    for ticket in tickets:
        text = await ladder.words(session, ticket, "window.goes_on", subject=ticket.subject)
        await post(session, now, here, text, author=Author.SYSTEM, ticket=ticket, priority=Priority.NOTICE)
        note = ladder.say(ladder.rules.staff_language, "window.note")
        await add_note(session, now, ticket, note, author=Author.SYSTEM)
    return bool(tickets)


async def place_to_answer(session: AsyncSession, now: datetime, ticket: Ticket) -> Conversation:
    """Where the buyer hears of this ticket: in its conversation, unless they spoke last in the web chat that goes on
    with it, or nothing more can be sent to the former."""
    own = await session.get_one(Conversation, ticket.conversation_id)
    window = await session.get(ReplyWindow, own.id)
    other = await _find_other(session, own) if window is not None else None
    if other is None:
        return own
    is_there = other.last_in_at is not None and (own.last_in_at is None or other.last_in_at > own.last_in_at)
    return other if is_there or judge(window, now, Priority.AGENT_REPLY) == Verdict.CLOSED else own


async def _find_other(session: AsyncSession, conversation: Conversation) -> Conversation | None:
    """The web chat of the same buyer."""
    found = select(Conversation).where(Conversation.buyer_id == conversation.buyer_id, Conversation.channel == WEB)
    found = found.where(col(Conversation.id) != conversation.id).order_by(col(Conversation.id)).limit(1)
    return (await session.exec(found)).first()


async def _has_matters(session: AsyncSession, conversation: Conversation) -> bool:
    for matter in (Ticket, Claim):
        if (await session.exec(select(matter.id).where(matter.conversation_id == conversation.id).limit(1))).first():
            return True
    return False
