"""Updates of the Bot API in our words. Pure: what Telegram sent, as plain JSON, and nothing is fetched here.

Whatever shape comes, `take` returns something or None, and `read` understands what `take` took.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bot.channels.botapi.words import mapping, name, word
from bot.channels.port import Business, Inbound, Kind, Update
from bot.channels.telegram.addresses import Address, parse
from bot.channels.telegram.attachments import attachments_of, kind_of
from bot.errors import UnreadableUpdate
from bot.topics import LARGEST

SPOKEN = ("message", "business_message")
EDITED = ("edited_message", "edited_business_message")
NAME_LIMIT = 80  # characters of a buyer's name that are kept

# What Telegram tells of a chat in the shape of a message: nobody said it.
SERVICE = frozenset(
    {
        *("new_chat_members", "left_chat_member", "new_chat_title", "new_chat_photo", "delete_chat_photo"),
        *("group_chat_created", "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed"),
        *("migrate_to_chat_id", "migrate_from_chat_id", "pinned_message", "write_access_allowed", "boost_added"),
        *("forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened"),
        *("general_forum_topic_hidden", "general_forum_topic_unhidden", "chat_background_set", "connected_website"),
        *("video_chat_scheduled", "video_chat_started", "video_chat_ended", "video_chat_participants_invited"),
        *(
            "proximity_alert_triggered",
            "giveaway_created",
            "direct_message_price_changed",
            "paid_message_price_changed",
        ),
    }
)


class Event(NamedTuple):
    """What an update tells: its name in the Bot API, and its body."""

    kind: str
    body: Mapping[str, Any]

    @property
    def message(self) -> Mapping[str, Any]:
        """The message that was sent, or under which a button was pressed."""
        return mapping(self.body.get("message")) if self.kind == "callback_query" else self.body

    @property
    def address(self) -> Address | None:
        """Whose it is; None when it is nobody's who speaks to us in private."""
        connection = word(self.message.get("business_connection_id"))
        if self.kind == "business_connection":
            return _address(mapping(self.body.get("user")).get("id"), self.body.get("id"))
        chat = mapping(self.message.get("chat"))
        if not chat and self.kind == "callback_query":
            chat = mapping(self.body.get("from"))
        address = _address(chat.get("id"), connection)
        kind = chat.get("type") or ("group" if address and address.is_group else "private")
        return address if kind == "private" else None


def take(channel: str, account: str, raw: object) -> Update | None:
    """The update to store; None when it is not a buyer speaking to us in private."""
    event, number = _event(raw), word(mapping(raw).get("update_id"))
    if event is None or not number or event.address is None or _is_nobodys(event, account):
        return None
    album = name(event.body.get("media_group_id")) if event.kind in SPOKEN else ""
    return Update(channel, account, number, str(event.address), _dump(raw), album)


def read(update: Update) -> Inbound:
    """The neutral form of a stored update. Raises `UnreadableUpdate` for one that `take` does not take."""
    event = _event(json.loads(update.raw))
    if event is None or event.address is None:
        raise UnreadableUpdate()
    message, kind = event.message, _kind(event)
    is_said = event.kind in (*SPOKEN, *EDITED)
    sender = mapping(event.body.get("from"))
    is_owner = "business" in event.kind and is_said and _is_owner(event)
    return Inbound(
        channel=update.channel,
        account=update.account,
        address=update.address,
        update_id=update.update_id,
        kind=kind,
        sent_at=_instant(message.get("date")),
        text=_text(message, kind) if is_said else "",
        handle=name(event.body.get("data")) if kind == Kind.PRESS else "",
        message_id=word(message.get("message_id")) if is_said else "",
        attachments=tuple(attachments_of(message)) if is_said else (),
        name=_person(mapping(message.get("chat")) if is_owner else sender),
        language=name(sender.get("language_code"))[:16],
        reply_to=word(mapping(message.get("reply_to_message")).get("message_id")) if is_said else "",
        topic_id=_topic(message),
        topic_name=name(mapping(mapping(message.get("reply_to_message")).get("forum_topic_created")).get("name")),
        withdrawn=_withdrawn(event.body) if kind == Kind.WITHDRAWN else (),
        connection=parse(update.address).connection,
        by_owner=is_owner,
        business=_business(event.body) if kind == Kind.BUSINESS else None,
    )


def _event(raw: object) -> Event | None:
    update = mapping(raw)
    found = (kind for kind in (*_KINDS, *SPOKEN, *EDITED) if isinstance(update.get(kind), Mapping))
    kind = next(found, None)
    return Event(kind, update[kind]) if kind else None


_KINDS = {
    "callback_query": Kind.PRESS,
    "my_chat_member": Kind.BACK,
    "deleted_business_messages": Kind.WITHDRAWN,
    "business_connection": Kind.BUSINESS,
}


def _kind(event: Event) -> Kind:
    if event.kind == "my_chat_member":
        status = mapping(event.body.get("new_chat_member")).get("status")
        return Kind.LEFT if status in ("kicked", "left") else Kind.BACK
    if event.kind in EDITED:
        return Kind.EDIT
    return _KINDS.get(event.kind) or (Kind.START if _command(event.body)[0] == "/start" else kind_of(event.body))


def _command(message: Mapping[str, Any]) -> tuple[str, str]:
    """The command that a text begins with, without the name of the bot, and what follows it."""
    text = message.get("text")
    first, _, rest = text.partition(" ") if isinstance(text, str) else ("", "", "")
    return first.partition("@")[0], rest.strip()


def _text(message: Mapping[str, Any], kind: Kind) -> str:
    if kind == Kind.START:
        return _command(message)[1]
    said = (message.get("text"), message.get("caption"))
    text = next((text for text in said if isinstance(text, str)), "")
    return " ".join(filter(None, _command(message))) if text.startswith("/") and "text" in message else text


def _is_nobodys(event: Event, account: str) -> bool:
    """Whether no person said it: a note of Telegram's, words of our own, the steps of somebody who walks."""
    body = event.body
    if event.kind in EDITED and "location" in body:
        return True
    if event.kind not in (*SPOKEN, *EDITED):
        return False
    is_ours = word(mapping(body.get("from")).get("id")) == account or "sender_business_bot" in body
    return is_ours or not SERVICE.isdisjoint(body)


def _is_owner(event: Event) -> bool:
    """In a business chat the customer's number is the chat's; any other who speaks there speaks for the shop."""
    sender, chat = (word(mapping(event.body.get(part)).get("id")) for part in ("from", "chat"))
    return bool(sender) and sender != chat


def _address(chat_id: object, connection: object) -> Address | None:
    chat, over = word(chat_id), word(connection)
    return Address(chat, over) if chat else None


def _business(body: Mapping[str, Any]) -> Business:
    rights = mapping(body.get("rights"))  # since Bot API 9.0; before it a field of its own
    return Business(
        connection=word(body.get("id")),
        owner=word(mapping(body.get("user")).get("id")),
        can_reply=(rights.get("can_reply") or body.get("can_reply")) is True,
        is_enabled=body.get("is_enabled") is True,
    )


def _withdrawn(body: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = body.get("message_ids")
    return tuple(filter(None, map(word, numbers))) if isinstance(numbers, list) else ()


def _topic(message: Mapping[str, Any]) -> int | None:
    """A thread of replies is none."""
    number = word(message.get("message_thread_id")) if message.get("is_topic_message") is True else ""
    return int(number) if number.isdecimal() and int(number) <= LARGEST else None


def _person(person: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (name(person.get("first_name")), name(person.get("last_name")))))[:NAME_LIMIT]


def _instant(value: object) -> datetime:
    """Second 0 for what is no instant, as Telegram itself writes for a message that it no longer shows."""
    try:
        return datetime.fromtimestamp(int(value) if isinstance(value, int | str) else 0, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _dump(raw: object) -> str:
    text = json.dumps(raw, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character can be written only as its number
        return json.dumps(raw)
    return text
