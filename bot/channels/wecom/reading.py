"""What 微信客服 keeps for us to fetch, in our words. Pure: messages as they came, and nothing is fetched here.

Source: https://developer.work.weixin.qq.com/document/path/94670.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bot.channels.port import Inbound, Kind, Update

BUYER = 3  # `origin` of what a buyer said
SYSTEM = 4  # of events
LATEST = 253_402_300_799  # the last second that a date of ours can say

Fields = Mapping[str, Any]


class Said(NamedTuple):
    """What a buyer did."""

    kind: Kind
    text: str = ""
    handle: str = ""
    attachments: tuple[Mapping[str, Any], ...] = ()
    withdrawn: tuple[str, ...] = ()


def take(channel: str, account: str, message: object) -> Update | None:
    """The update to store; None when no buyer of this account did anything."""
    fields = message if isinstance(message, Mapping) else {}
    number, address = _word(fields.get("msgid")), address_of(fields)
    # One feed may bring what belongs to another account: it is read from that one's own.
    if not number or not address or fields.get("open_kfid", account) != account or _said(fields) is None:
        return None
    return Update(channel, account, number, address, json.dumps(fields, ensure_ascii=False))


def read(update: Update) -> Inbound:
    """The neutral form of an update that `take` took."""
    fields: Fields = json.loads(update.raw)
    said = _said(fields) or Said(Kind.OTHER)
    return Inbound(
        channel=update.channel,
        account=update.account,
        address=update.address,
        update_id=update.update_id,
        kind=said.kind,
        sent_at=instant_of(fields),
        text=said.text,
        handle=said.handle,
        message_id=update.update_id if fields.get("msgtype") != "event" else "",
        attachments=said.attachments,
        withdrawn=said.withdrawn,
    )


def address_of(fields: Fields) -> str:
    """Whose it is: the buyer's id within the company."""
    return _word(fields.get("external_userid")) or _word(_part(fields, "event").get("external_userid"))


def failed(message: object) -> tuple[str, int] | None:
    """(our id of a message, why) when this tells that the platform could not deliver it after all."""
    event = _part(message, "event")
    if event.get("event_type") != "msg_send_fail":
        return None
    reason = event.get("fail_type")
    return _word(event.get("fail_msgid")), reason if isinstance(reason, int) else 0


def welcome_code(message: object) -> str:
    """What lets us greet somebody who opened the conversation, within 20 seconds."""
    event = _part(message, "event")
    return _word(event.get("welcome_code")) if event.get("event_type") == "enter_session" else ""


def instant_of(message: object) -> datetime:
    """When it was said or happened."""
    value = message.get("send_time") if isinstance(message, Mapping) else None
    seconds = value if isinstance(value, int) else 0
    return datetime.fromtimestamp(min(max(seconds, 0), LATEST), UTC)


def _said(fields: Fields) -> Said | None:
    kind, origin = fields.get("msgtype"), fields.get("origin")
    if kind == "event":
        event = _part(fields, "event")
        happened = _EVENTS.get(_word(event.get("event_type")))
        return happened(event) if happened else None
    if origin != BUYER:
        return None
    told = _MESSAGES.get(_word(kind))
    return told(_part(fields, _word(kind))) if told else Said(Kind.OTHER)


def _text(part: Fields) -> Said:
    """What was typed, or an entry of a menu of ours, which WeChat types for the buyer."""
    if handle := _word(part.get("menu_id")):
        return Said(Kind.PRESS, handle=handle)
    return Said(Kind.TEXT, _word(part.get("content")))


def _link(part: Fields) -> Said:
    parts = (_word(part.get(name)) for name in ("title", "desc", "url"))
    return Said(Kind.TEXT, "\n".join(filter(None, parts)))


def _media(kind: Kind) -> Callable[[Fields], Said]:
    """By its id at the platform, where it is kept for three days."""

    def read(part: Fields) -> Said:
        media = _word(part.get("media_id"))
        return Said(kind, attachments=({"kind": kind.value, "media_id": media},) if media else ())

    return read


_MESSAGES: Mapping[str, Callable[[Fields], Said]] = {
    "text": _text,
    "image": _media(Kind.PHOTO),
    "voice": _media(Kind.VOICE),
    "video": _media(Kind.VIDEO),
    "file": _media(Kind.DOCUMENT),
    "location": lambda part: Said(Kind.LOCATION, _word(part.get("name"))),
    "link": _link,
}
_EVENTS: Mapping[str, Callable[[Fields], Said]] = {
    "enter_session": lambda event: Said(Kind.START, _word(event.get("scene_param"))),
    "user_recall_msg": lambda event: Said(Kind.WITHDRAWN, withdrawn=(_word(event.get("recall_msgid")),)),
}


def _part(fields: object, name: str) -> Fields:
    part = fields.get(name) if isinstance(fields, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _word(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
