"""What 微信客服 keeps for us to fetch, in our words. Pure: messages as they came, and nothing is fetched here.

Source: https://developer.work.weixin.qq.com/document/path/94670.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.channels.port import Inbound, Kind, Past, Update
from bot.channels.weixin import said
from bot.channels.weixin.said import Said

BUYER = 3  # `origin` of what a buyer said
PERSON = 5  # of what a person of the shop wrote inside 企业微信
CODE_GOOD = timedelta(seconds=20)  # in which a code lets us say one thing
PAST = "kadesk_past"  # stands beside the platform's own fields of what was not said to us

Fields = Mapping[str, Any]


def take(channel: str, account: str, message: object) -> Update | None:
    """The update to store; None when neither a buyer of this account nor a person of the shop did anything."""
    fields = message if isinstance(message, Mapping) else {}
    number, address = _word(fields.get("msgid")), address_of(fields)
    # One feed may bring what belongs to another account: it is read from that one's own.
    if not number or not address or fields.get("open_kfid", account) != account or _said(fields) is None:
        return None
    return Update(channel, account, number, address, json.dumps(fields, ensure_ascii=False))


def read(update: Update) -> Inbound:
    """The neutral form of an update that `take` took."""
    fields: Fields = json.loads(update.raw)
    did, past = _said(fields) or Said(Kind.OTHER), fields.get(PAST)
    if past and did.kind == Kind.PRESS:  # of a menu of somebody else's
        did = Said(Kind.TEXT, _word(_part(fields, "text").get("content")))
    number = update.update_id if fields.get("msgtype") != "event" else ""
    is_theirs = fields.get("origin") == PERSON or _part(fields, "event").get("event_type") == "servicer_recall_msg"
    at = instant_of(fields)
    answer_by = at + CODE_GOOD if did.kind == Kind.ENDED and code_of(fields) else None
    inbound = said.inbound(update, did, at, number)
    return replace(inbound, by_owner=is_theirs, answer_by=answer_by, past=Past(past) if past else None)


def of_the_past(update: Update, past: Past) -> Update:
    """The same update, which says of itself that it was not said to us."""
    return replace(update, raw=json.dumps(json.loads(update.raw) | {PAST: past}, ensure_ascii=False))


def leave_to_people(updates: Sequence[Update]) -> list[Update]:
    """The same, in which what a person wrote after, or took or ended the session after, is theirs: not ours to answer.

    As after an outage, or when they were quicker. A press of ours asks us alone.
    """
    answered: set[str] = set()  # buyers, from here on backwards
    known: list[Update] = []
    for update in reversed(updates):
        inbound = read(update)
        if inbound.kind in (Kind.HELD, Kind.ENDED) or (inbound.by_owner and inbound.message_id):
            answered.add(update.address)
        is_word = inbound.message_id and not inbound.by_owner and inbound.kind != Kind.PRESS
        known.append(of_the_past(update, Past.KEPT) if is_word and update.address in answered else update)
    return known[::-1]


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


def code_of(message: object) -> str:
    """What lets us greet somebody who opened the conversation, or ask how it was when a person ended it."""
    event = _part(message, "event")
    if event.get("event_type") == "session_status_change":
        return _word(event.get("msg_code")) if _word(event.get("change_type")) == END else ""
    return _word(event.get("welcome_code")) if event.get("event_type") == "enter_session" else ""


def unknown(message: object) -> str:
    """What kind of thing this is, where we know of none like it; else ""."""
    fields: Fields = message if isinstance(message, Mapping) else {}
    if fields.get("msgtype") != "event":
        origin = fields.get("origin")
        return "" if origin in (BUYER, PERSON) else f"origin {_word(origin)}"
    event = _part(fields, "event")
    kind, change = _word(event.get("event_type")), _word(event.get("change_type"))
    if kind == "session_status_change" and change not in _CHANGES:
        return f"{kind} {change}"
    return "" if kind in _EVENTS else f"event {kind}"


def instant_of(message: object) -> datetime:
    """When it was said or happened."""
    value = message.get("send_time") if isinstance(message, Mapping) else None
    return said.instant(value if isinstance(value, int) else 0)


def _said(fields: Fields) -> Said | None:
    kind, origin = fields.get("msgtype"), fields.get("origin")
    if kind == "event":
        event = _part(fields, "event")
        happened = _EVENTS.get(_word(event.get("event_type")))
        return happened(event) if happened else None
    if origin not in (BUYER, PERSON):
        return None
    told = _MESSAGES.get(_word(kind))
    return told(_part(fields, _word(kind))) if told else Said(Kind.OTHER)


def _file(kind: Kind) -> Callable[[Fields], Said]:
    return lambda part: said.sent(kind, _word(part.get("media_id")))


_MESSAGES: Mapping[str, Callable[[Fields], Said]] = {
    "text": lambda part: said.typed(_word(part.get("content")), _word(part.get("menu_id"))),
    "image": _file(Kind.PHOTO),
    "voice": _file(Kind.VOICE),
    "video": _file(Kind.VIDEO),
    "file": _file(Kind.DOCUMENT),
    "location": lambda part: Said(Kind.LOCATION, _word(part.get("name"))),
    "link": lambda part: said.linked(*(_word(part.get(name)) for name in ("title", "desc", "url"))),
}
_EVENTS: Mapping[str, Callable[[Fields], Said | None]] = {
    "enter_session": lambda event: _entered(event),
    "user_recall_msg": lambda event: _recalled(event),
    "servicer_recall_msg": lambda event: _recalled(event),
    # What people did inside 企业微信: from the pool, from another, or after its end; else they ended it.
    "session_status_change": lambda event: _CHANGES.get(_word(event.get("change_type"))),
    "msg_send_fail": lambda event: None,  # `failed`
    # No buyer did these: a person is at their desk or not, or wants to hear no more of somebody.
    "servicer_status_change": lambda event: None,
    "reject_customer_msg_switch_change": lambda event: None,
}
END = "3"
_CHANGES: Mapping[str, Said] = dict.fromkeys(("1", "2", "4"), Said(Kind.HELD)) | {END: Said(Kind.ENDED)}


def _entered(event: Fields) -> Said | None:
    """With what the shop's page added to the link; else with the scene that the link was made for.

    Who only looks in again is not greeted: that would be one of the few messages, and an answer to nothing.
    """
    added, code = _word(event.get("scene_param")), _word(event.get("welcome_code"))
    return Said(Kind.START, added or _word(event.get("scene"))) if added or code else None


def _recalled(event: Fields) -> Said:
    return Said(Kind.WITHDRAWN, withdrawn=(_word(event.get("recall_msgid")),))


def _part(fields: object, name: str) -> Fields:
    part = fields.get(name) if isinstance(fields, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _word(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
