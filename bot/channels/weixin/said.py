"""What a buyer did, as both channels of Tencent tell it, in our words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bot.channels.port import Inbound, Kind, Update

LATEST = 253_402_300_799  # the last second that a date of ours can say


class Said(NamedTuple):
    """What a buyer did."""

    kind: Kind
    text: str = ""
    handle: str = ""
    attachments: tuple[Mapping[str, Any], ...] = ()
    withdrawn: tuple[str, ...] = ()


def inbound(update: Update, said: Said, sent_at: datetime, message_id: str) -> Inbound:
    """The neutral form of an update; `message_id` is "" for what is no message."""
    return Inbound(
        channel=update.channel,
        account=update.account,
        address=update.address,
        update_id=update.update_id,
        kind=said.kind,
        sent_at=sent_at,
        text=said.text,
        handle=said.handle,
        message_id=message_id,
        attachments=said.attachments,
        withdrawn=said.withdrawn,
    )


def typed(text: str, handle: str) -> Said:
    """What was typed, or an entry of a menu of ours, which WeChat types for the buyer."""
    return Said(Kind.PRESS, handle=handle) if handle else Said(Kind.TEXT, text)


def linked(*parts: str) -> Said:
    """A link, with what stands beside it."""
    return Said(Kind.TEXT, "\n".join(filter(None, parts)))


def sent(kind: Kind, media_id: str, text: str = "") -> Said:
    """A file, by its id at the platform, where it is kept for three days."""
    return Said(kind, text, attachments=({"kind": kind.value, "media_id": media_id},) if media_id else ())


def instant(seconds: int) -> datetime:
    """The platform's seconds; what no date can say is its first or last."""
    return datetime.fromtimestamp(min(max(seconds, 0), LATEST), UTC)
