"""What stands in a ticket's topic: its name, its card, and the lines of its conversation. Pure.

Codes are masked before a message is stored; everything shown here goes through the mask once more, and of a one-time
link not even the mark is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.channels.botapi.lengths import shortened
from bot.staff.rules import Room
from shop.masking import mask_text
from tickets.lifecycle import is_active
from tickets.links import MARK
from tickets.queue import QueueRow
from tickets.routing import Tier
from tickets.tables import Author, Claim, Message, Phase

NAME_PART = 40  # characters of a subject in a topic's name
LINE_LIMIT = 1_500  # units of one message in the mirror, see `lengths`; two of them fit into one of ours
CHUNK = 3_500  # units of lines that go out together
SHOWN = 5  # lines of a backlog that are shown in full
BACKLOG = 12  # lines from which on a backlog is summed up
_FACES = {Author.BUYER: "👤", Author.BOT: "🤖", Author.SYSTEM: "ℹ️", Author.AGENT: "💬"}
_KINDS = ("photo", "document", "voice", "sticker", "video", "location", "contact")


@dataclass(frozen=True, slots=True)
class Line:
    """A message of the conversation as the topic shows it."""

    message: Message
    author: str  # name
    pictures: tuple[int, ...] = ()  # those that we have
    revision: int = 0  # the last edit that is in it


def topic_name(row: QueueRow) -> str:
    """What the list of topics shows; settled ones have a tick before them."""
    subject = mask_text(row.ticket.subject)
    tick = "" if is_active(row.ticket.phase) else "✅ "
    return f"{tick}{row.ticket.number} {mask_text(row.buyer)} · {subject[:NAME_PART]}"


def card(room: Room, row: QueueRow, product: str, claims: Mapping[int, Claim]) -> str:
    """What must be known of the ticket at one look."""
    ticket, words = row.ticket, room.words
    order = ticket.order_ref.rpartition("/")[2] if ticket.order_ref else ""
    tier = "" if row.tier == Tier.NORMAL else f" · {words(f'tier.{row.tier}')}"
    lines = [
        f"{ticket.number} · {status_of(room, row)} · L{int(ticket.level)}",
        mask_text(ticket.subject),
        words("card.buyer", name=mask_text(row.buyer) + tier, channel=_word(room, "channel", row.channel)),
        " · ".join(filter(None, (_word(room, "category", ticket.category), product))),
        *([words("card.order", order=hidden_order(order))] if order else []),
        *(claim_text(room, *one) for one in claims.items()),
        *([words("card.due", due=due_of(room, row))] if row.due_at else []),
        words("card.assignee", agent=row.assignee or words("card.nobody")),
        *([words("card.hurried", times=ticket.hurries)] if ticket.hurries else []),
        *([words("card.snoozed", until=room.at(ticket.snoozed_until))] if ticket.snoozed_until else []),
    ]
    return "\n".join(lines)


def claim_text(room: Room, number: int, claim: Claim) -> str:
    """A claim with its number on the ticket, by which commands name it."""
    return room.words("card.claim", number=number, masked=claim.masked, reason=_reason(room, claim.reason))


def status_of(room: Room, row: QueueRow) -> str:
    """The owner's own word for the status, or the phase's."""
    known = room.desk.rules.statuses.get(row.ticket.status)
    own = known.words.get(room.rules.language) if known and row.ticket.status not in set(Phase) else None
    return own or room.words(f"phase.{row.ticket.phase}")


def due_of(room: Room, row: QueueRow) -> str:
    due = room.at(row.due_at) if row.due_at else "-"
    return f"{due} ❗" if row.is_late else due


def hidden_order(order: str) -> str:
    """Its first and last four characters: enough to compare, too little to ask the shop with."""
    return f"{order[:4]}…{order[-4:]}" if len(order) > 10 else f"…{order[-3:]}"


def row_text(room: Room, row: QueueRow, *, is_own: bool = False) -> str:
    """A ticket as one line of a list; `is_own`: whose list it is holds it."""
    due = f" · {room.words('row.due', due=due_of(room, row))}" if row.due_at else ""
    hands = f" · {row.assignee}" if row.assignee and not is_own else ""
    about = mask_text(f"{row.buyer} · {row.ticket.subject}")
    return f"{row.ticket.number} L{int(row.ticket.level)} {about}{due}{hands}"


def line_text(room: Room, line: Line, limit: int = LINE_LIMIT) -> str:
    """One message, with who said it."""
    message = line.message
    face = "📝" if message.is_note else _FACES.get(Author(message.author), "")
    text = safe(room, message.text, limit)
    media = [_media(room, one) for one in message.attachments if not one.get("picture")]
    if line.pictures and not room.rules.pictures:
        media.append(room.words("media.pictures", count=len(line.pictures)))
    who = f"{face} {line.author}:" if line.author else face
    return " ".join(filter(None, (who, *media, text)))


def _media(room: Room, attachment: Mapping[str, Any]) -> str:
    """What came along; what is marked was kept, and is had from the console."""
    kind, name = attachment.get("kind", ""), mask_text(str(attachment.get("file_name", "")))
    word = room.words(f"media.{kind if kind in _KINDS else 'other'}")
    return " ".join(filter(None, (word, name, "📎" if attachment.get("file") else "")))


def edit_text(room: Room, line: Line) -> str:
    return room.words("mirror.edited", name=line.author, text=safe(room, line.message.text))


def summary(room: Room, number: str, lines: Sequence[Line]) -> str:
    """A backlog: how much there is, where it can be read, and its end."""
    head = room.words("mirror.backlog", count=len(lines) - SHOWN, page=room.rules.page_of(number))
    return "\n".join([head, *(line_text(room, line, CHUNK // SHOWN) for line in lines[-SHOWN:])])


def safe(room: Room, text: str, limit: int = LINE_LIMIT) -> str:
    """A text as staff may see it in a chat."""
    text = mask_text(text.replace(MARK, room.words("mirror.link")))
    return shortened(text, limit)


def _reason(room: Room, reason: str) -> str:
    return room.say(room.rules.language, f"reason.{reason}")


def _word(room: Room, kind: str, value: str) -> str:
    """Our word for a value; the value itself where a shop made up its own."""
    key = f"staff.{kind}.{value}"
    try:
        return room.say(room.rules.language, key)
    except KeyError:
        return value
