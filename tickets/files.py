"""Documents, recordings and videos that buyers sent: sealed with their message as they came, for staff to save."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop import rotation
from shop.vault import Vault
from tickets import attachments
from tickets.file_kinds import File
from tickets.tables import KeptFile, Message, id_of

SEAL = "file"
SAID = ("kind", "file_name", "duration")  # what the message goes on to say of it


async def keep(session: AsyncSession, now: datetime, vault: Vault, message: Message, file: File) -> KeptFile:
    """Seal a file with the message that it came with, and name it there."""
    kept = KeptFile(
        conversation_id=message.conversation_id,
        message_id=id_of(message),
        **attachments.seal(vault, SEAL, file.content),
        name=file.name,
        mime=file.mime,
        size=len(file.content),
        received_at=now,
    )
    said = {name: file.attachment[name] for name in SAID if name in file.attachment}
    await attachments.attach(session, message, SEAL, kept, **said)
    after = {"conversation": message.conversation_id, "message": message.id}
    record(session, now, "bot", "file.kept", f"file:{kept.id}", after=after)
    return kept


async def find_file(session: AsyncSession, file_id: int) -> KeptFile | None:
    return await session.get(KeptFile, file_id)


def note_saving(session: AsyncSession, now: datetime, file_id: int, agent_id: int) -> None:
    """Write down that this agent has the file: there may be a code in it."""
    record(session, now, f"agent:{agent_id}", "file.saved", f"file:{file_id}")


SEALS = rotation.whole(KeptFile, lambda _: SEAL)
