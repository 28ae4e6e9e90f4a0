"""What goes with a message under a seal of its own: bytes in a row that the message names."""

import asyncio
import base64
from typing import Any, Protocol
from uuid import uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from shop.errors import SealBroken
from shop.vault import Vault
from tickets.tables import KeptFile, Message, Picture


class Sealed(Protocol):
    """What of a row is needed to read it."""

    seal_id: str
    key_id: str
    ciphertext: bytes


def seal(vault: Vault, kind: str, content: bytes) -> dict[str, Any]:
    """The columns of a new row that hold `content`."""
    seal_id = uuid4().hex
    key_id, ciphertext = vault.seal(kind, seal_id, base64.b64encode(content).decode())
    return {"seal_id": seal_id, "key_id": key_id, "ciphertext": ciphertext}


def read(vault: Vault, kind: str, row: Sealed) -> bytes:
    """The content; `SealBroken` when the row was changed."""
    return base64.b64decode(vault.open(kind, row.seal_id, row.key_id, row.ciphertext))


async def find_content(vault: Vault, kind: str, row: Sealed | None) -> bytes | None:
    """The content, opened beside the loop; None when there is no row, or one that was changed."""
    if row is None:
        return None
    try:
        return await asyncio.to_thread(read, vault, kind, row)
    except SealBroken:
        return None


async def attach(session: AsyncSession, message: Message, name: str, row: KeptFile | Picture, **said: object) -> None:
    """Store the row, and call it `name` in its message; `said` is what more stands there of it."""
    session.add(row)
    await session.flush()
    message.attachments = [*message.attachments, {**said, name: row.id}]
    session.add(message)
