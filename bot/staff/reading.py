"""Updates of the staff bot in our words. Pure: plain JSON as it came, so that odd shapes break nothing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.channels.botapi.words import mapping, name, word
from bot.channels.bringing import may_be_picture
from bot.channels.port import Inbound, Kind, Update
from bot.staff import CHANNEL

FACTS = {"file_id": str, "file_name": str, "mime_type": str, "file_size": int}  # that matter for a picture
CLOSED = "forum_topic_closed"
EPOCH = datetime.fromtimestamp(0, UTC)
MEDIA = (
    *("photo", "document", "voice", "sticker", "video", "animation", "audio", "video_note", "live_photo"),
    *("location", "contact", "venue", "poll", "dice", "game", "story", "paid_media", "checklist"),
)


@dataclass(frozen=True, slots=True)
class FromStaff(Inbound):
    """What somebody said or pressed in a staff group, or to the bot in private."""

    user_id: int = 0  # who: never by name
    chat_id: str = ""
    thread_id: int | None = None
    is_private: bool = False
    is_edit: bool = False
    has_closed: bool = False  # the topic, and said nothing
    said_at: datetime = EPOCH  # when it was said first
    is_anonymous: bool = False  # an admin who hides behind the group's name
    query_id: str = ""  # of a press
    root: str = ""  # the name under which the topic was made, when the message names it

    @property
    def number(self) -> int:
        """The message's own number."""
        return _number(self.message_id) or 0


def take(account: str, raw: Mapping[str, Any], username: str = "") -> Update | None:
    """The update to store; None when nobody speaks to us: other bots, what Telegram says of the group, channels.

    `username` is ours, where it is known: a command for another bot of the group is none for us.
    """
    number = word(raw.get("update_id"))
    if not number:
        return None
    _, message, sender, query = _parts(raw)
    chat_id = _id(message.get("chat"))
    if not chat_id or _number(_id(sender)) is None or mapping(message.get("chat")).get("type") == "channel":
        return None
    is_said = bool(query) or isinstance(message.get("text"), str) or any(kind in message for kind in (*MEDIA, CLOSED))
    is_others = not query and _is_for_another(_said(message), username)
    if not is_said or is_others or (sender.get("is_bot") and not message.get("sender_chat")):
        return None
    thread = _thread(message)
    address = f"{chat_id}:{thread}" if thread else chat_id
    album = str(message.get("media_group_id") or "")
    return Update(CHANNEL, account, number, address, json.dumps(raw), album)


def read(update: Update) -> FromStaff:
    """The neutral form of a stored update."""
    kind, message, sender, query = _parts(json.loads(update.raw))
    chat = mapping(message.get("chat"))
    root = mapping(mapping(message.get("reply_to_message")).get("forum_topic_created"))
    text, is_edit = _said(message), kind == "edited_message"
    shape = Kind.PRESS if query else _shape(message, is_edit)
    is_for_buyer = shape != Kind.PRESS and _thread(message) is not None and not is_edit
    return FromStaff(
        channel=update.channel,
        account=update.account,
        address=update.address,
        update_id=update.update_id,
        kind=shape,
        sent_at=_instant(message.get("edit_date") or message.get("date")),
        text="" if shape == Kind.PRESS else text,
        attachments=tuple(_attachments(message)) if is_for_buyer else (),
        handle=name(query.get("data")),
        message_id=word(message.get("message_id")),
        name=" ".join(filter(None, (name(sender.get(part)) for part in ("first_name", "last_name"))))[:80],
        language=name(sender.get("language_code")),
        user_id=_number(_id(sender)) or 0,
        chat_id=_id(chat),
        thread_id=_thread(message),
        is_private=_is_private(chat),
        is_edit=is_edit,
        has_closed=CLOSED in message and not query,
        said_at=_instant(message.get("date")),
        is_anonymous=bool(message.get("sender_chat")) and not query,
        query_id=word(query.get("id")),
        root=name(root.get("name")),
    )


def _parts(raw: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    """Which kind of update it is, its message, who acts, and the press where it is one."""
    query = mapping(raw.get("callback_query"))
    kind = "callback_query" if query else next((one for one in ("message", "edited_message") if one in raw), "")
    message = mapping((query or raw).get("message" if query else kind))
    return kind, message, mapping((query or message).get("from")), query


def _said(message: Mapping[str, Any]) -> str:
    """Words, or what stands under a picture."""
    return next((text for part in ("text", "caption") if isinstance(text := message.get(part), str)), "")


def _is_for_another(text: str, username: str) -> bool:
    """As apps write a command that is chosen from the menu where several bots are."""
    command = text.split(maxsplit=1)[0] if text.startswith("/") else ""
    name = command.partition("@")[2].lower()
    return bool(name and username) and name != username.lower()


def _shape(message: Mapping[str, Any], is_edit: bool) -> Kind:
    """An edit changes words alone, wherever they stand."""
    if isinstance(message.get("text"), str) or (is_edit and isinstance(message.get("caption"), str)):
        return Kind.TEXT
    return Kind.PHOTO if any(may_be_picture(one) for one in _attachments(message)) else Kind.OTHER


def _attachments(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What came along, as `bot.channels.bringing` knows it."""
    part = next((part for part in MEDIA if part in message), None)
    if part is None:
        return
    found = message[part]
    if isinstance(found, list):  # of a photo: the largest size stands last
        found = found[-1] if found else None
    facts = {key: fact for key, fact in mapping(found).items() if key in FACTS and isinstance(fact, FACTS[key])}
    yield {"kind": part if part in (Kind.PHOTO, Kind.DOCUMENT) else Kind.OTHER.value} | facts


def _id(value: Any) -> str:
    return word(mapping(value).get("id"))


def _is_private(chat: Mapping[str, Any]) -> bool:
    """Telegram gives groups and channels negative numbers."""
    return bool(chat.get("type") == "private" if chat.get("type") else not _id(chat).startswith("-"))


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 19 else None  # what a database takes


def _instant(value: Any) -> datetime:
    try:
        return datetime.fromtimestamp(_number(value) or 0, UTC)
    except (ValueError, OverflowError, OSError):
        return EPOCH


def _thread(message: Mapping[str, Any]) -> int | None:
    """The topic; a thread of replies in the general topic is none. Where it is not said: that of what is answered."""
    if "message_thread_id" in message:
        return _number(message["message_thread_id"]) if message.get("is_topic_message", True) else None
    answered = mapping(message.get("reply_to_message"))
    if "forum_topic_created" in answered:  # which begins the topic, and gives it its number
        return _number(answered.get("message_id"))
    return _thread(answered) if answered.get("is_topic_message") is True else None
