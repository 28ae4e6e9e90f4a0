"""Callbacks of a 公众号 in our words. Pure: the fields as they came, and nothing is fetched here.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime

from bot.channels.port import Inbound, Kind, Update
from bot.channels.weixin import said
from bot.channels.weixin.said import Said

SCENE = "qrscene_"  # stands before the scene of a code through which somebody began to follow

Fields = Mapping[str, str]


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
    did = _said(fields) or Said(Kind.OTHER)
    return said.inbound(update, did, _instant(fields.get("CreateTime", "")), fields.get("MsgId", ""))


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


def _file(kind: Kind) -> Callable[[Fields], Said]:
    """A voice comes with its words where the account asked for that."""
    return lambda fields: said.sent(kind, fields.get("MediaId", ""), fields.get("Recognition", ""))


_MESSAGES: Mapping[str, Callable[[Fields], Said]] = {
    "text": lambda fields: said.typed(fields.get("Content", ""), fields.get("bizmsgmenuid", "")),
    "image": _file(Kind.PHOTO),
    "voice": _file(Kind.VOICE),
    "video": _file(Kind.VIDEO),
    "shortvideo": _file(Kind.VIDEO),
    "location": lambda fields: Said(Kind.LOCATION, fields.get("Label", "")),
    "link": lambda fields: said.linked(*(fields.get(name, "") for name in ("Title", "Description", "Url"))),
}
_EVENTS: Mapping[str, Callable[[Fields], Said]] = {
    "subscribe": lambda fields: Said(Kind.START, fields.get("EventKey", "").removeprefix(SCENE)),
    "scan": lambda fields: Said(Kind.START, fields.get("EventKey", "")),
    "unsubscribe": lambda fields: Said(Kind.LEFT),
    # The key of an entry of our menu is what the buyer says by it.
    "click": lambda fields: Said(Kind.TEXT, fields.get("EventKey", "")),
}


def _instant(text: str) -> datetime:
    return said.instant(int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0)
