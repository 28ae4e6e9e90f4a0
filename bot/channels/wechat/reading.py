"""Callbacks of a 公众号 in our words. Pure: the fields as they came, and nothing is fetched here.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bot.channels.port import Inbound, Kind, Update

SCENE = "qrscene_"  # stands before the scene of a code through which somebody began to follow
LATEST = 253_402_300_799  # the last second that a date of ours can say

Fields = Mapping[str, str]


class Said(NamedTuple):
    """What a buyer did."""

    kind: Kind
    text: str = ""
    handle: str = ""
    attachments: tuple[Mapping[str, Any], ...] = ()


def take(channel: str, account: str, fields: Fields) -> Update | None:
    """The update to store; None when no buyer did anything."""
    address = fields.get("FromUserName", "")
    if not address or _said(fields) is None:
        return None
    raw = json.dumps(dict(fields), ensure_ascii=False)
    return Update(channel, account, _number(fields), address, raw)


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
        sent_at=_instant(fields.get("CreateTime", "")),
        text=said.text,
        handle=said.handle,
        message_id=fields.get("MsgId", ""),
        attachments=said.attachments,
    )


def _number(fields: Fields) -> str:
    """What a repeat is known by: events have no number of their own."""
    if number := fields.get("MsgId"):
        return number
    names = ("FromUserName", "CreateTime", "MsgType", "Event", "EventKey", "Ticket")
    return hashlib.sha256("\n".join(fields.get(name, "") for name in names).encode()).hexdigest()[:40]


def _said(fields: Fields) -> Said | None:
    kind = fields.get("MsgType", "")
    if kind == "event":
        happened = _EVENTS.get(fields.get("Event", "").lower())
        return happened(fields) if happened else None
    told = _MESSAGES.get(kind)
    return told(fields) if told else Said(Kind.OTHER)


def _text(fields: Fields) -> Said:
    """What was typed, or an entry of a menu in a message of ours, which WeChat types for the buyer."""
    if handle := fields.get("bizmsgmenuid"):
        return Said(Kind.PRESS, handle=handle)
    return Said(Kind.TEXT, fields.get("Content", ""))


def _voice(fields: Fields) -> Said:
    return Said(Kind.VOICE, fields.get("Recognition", ""), attachments=_attached(Kind.VOICE, fields))


def _link(fields: Fields) -> Said:
    parts = (fields.get(name, "") for name in ("Title", "Description", "Url"))
    return Said(Kind.TEXT, "\n".join(filter(None, parts)))


def _attached(kind: Kind, fields: Fields) -> tuple[Mapping[str, Any], ...]:
    """By its id at WeChat, where it is kept for three days."""
    media = fields.get("MediaId", "")
    return ({"kind": kind.value, "media_id": media},) if media else ()


_MESSAGES: Mapping[str, Callable[[Fields], Said]] = {
    "text": _text,
    "image": lambda fields: Said(Kind.PHOTO, attachments=_attached(Kind.PHOTO, fields)),
    "voice": _voice,
    "video": lambda fields: Said(Kind.VIDEO, attachments=_attached(Kind.VIDEO, fields)),
    "shortvideo": lambda fields: Said(Kind.VIDEO, attachments=_attached(Kind.VIDEO, fields)),
    "location": lambda fields: Said(Kind.LOCATION, fields.get("Label", "")),
    "link": _link,
}
_EVENTS: Mapping[str, Callable[[Fields], Said]] = {
    "subscribe": lambda fields: Said(Kind.START, fields.get("EventKey", "").removeprefix(SCENE)),
    "scan": lambda fields: Said(Kind.START, fields.get("EventKey", "")),
    "unsubscribe": lambda fields: Said(Kind.LEFT),
    # The key of an entry of our menu is what the buyer says by it.
    "click": lambda fields: Said(Kind.TEXT, fields.get("EventKey", "")),
}


def _instant(text: str) -> datetime:
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0
    return datetime.fromtimestamp(min(seconds, LATEST), UTC)
