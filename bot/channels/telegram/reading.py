"""Updates of the Bot API in our words. Pure: what Telegram sent, as plain JSON, and nothing is fetched here."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.channels.port import Inbound, Kind, Update


def take(channel: str, account: str, raw: Mapping[str, Any]) -> Update | None:
    """The update to store; None when it is not a buyer speaking to us in private."""
    query = raw.get("callback_query") or {}
    chat = (raw.get("message") or query.get("message") or {}).get("chat") or query.get("from") or {}
    if "update_id" not in raw or not chat.get("id") or chat.get("type", "private") != "private":
        return None
    text = json.dumps(raw, ensure_ascii=False)
    return Update(channel, account, str(raw["update_id"]), str(chat["id"]), text)


def read(update: Update) -> Inbound:
    """The neutral form of a stored update."""
    raw = json.loads(update.raw)
    query = raw.get("callback_query")
    message = (query or raw).get("message") or {}
    sender = (query or message).get("from") or {}
    kind, text = (Kind.PRESS, "") if query else _kind_and_text(message)
    return Inbound(
        channel=update.channel,
        account=update.account,
        address=update.address,
        update_id=update.update_id,
        kind=kind,
        sent_at=datetime.fromtimestamp(int(message.get("date") or 0), UTC),
        text=text,
        handle=str(query.get("data", "")) if query else "",
        message_id="" if query else str(message.get("message_id", "")),
        attachments=() if query else tuple(_attachments(message)),
        name=" ".join(filter(None, (sender.get("first_name"), sender.get("last_name"))))[:80],
        language=sender.get("language_code") or "",
    )


def _kind_and_text(message: Mapping[str, Any]) -> tuple[Kind, str]:
    text = message.get("text")
    if isinstance(text, str):
        command, _, payload = text.partition(" ")
        is_start = command == "/start" or command.startswith("/start@")
        return (Kind.START, payload.strip()) if is_start else (Kind.TEXT, text)
    kind = next((kind for kind in (Kind.PHOTO, Kind.DOCUMENT, Kind.VOICE, Kind.STICKER) if kind in message), Kind.OTHER)
    return kind, str(message.get("caption") or "")


def _attachments(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What came with the message, by its id at Telegram; nothing is fetched here."""
    for kind in (Kind.PHOTO, Kind.DOCUMENT, Kind.VOICE, Kind.STICKER):
        found = message.get(kind)
        if isinstance(found, list):
            found = found[-1] if found else None  # the largest size of a photo stands last
        if isinstance(found, Mapping):
            kept = {name: found[name] for name in ("file_id", "file_name", "mime_type", "file_size") if name in found}
            yield {"kind": kind.value, **kept}
