"""What a buyer typed where the thread shows it masked: sealed, and opened for one pair of eyes with a reason."""

from datetime import datetime, timedelta

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from audit.trail import record
from shop.rotation import Seals, text_not_under
from shop.vault import Vault
from tickets.changes import get_ticket
from tickets.errors import LookedEnough, NothingMasked, ReasonMissing
from tickets.rights import is_lead, require_hands
from tickets.tables import Agent, Message

SEAL = "message"
ACTION = "message.unsealed"
LOOKS = 30  # messages that one agent may open in `WITHIN`; leads open as many as they need
WITHIN = timedelta(hours=12)  # a shift


def keep_typed(vault: Vault, message: Message, typed: str) -> None:
    """Seal the words of a stored message that is shown otherwise."""
    if typed != message.text:
        message.sealed = vault.seal_text(SEAL, str(message.id), typed)


async def read_typed(
    session: AsyncSession, now: datetime, vault: Vault, ticket_id: int, message_id: int, agent_id: int, reason: str
) -> str:
    """The words as they were typed: never store, log or queue them.

    For whoever may decide on the ticket whose conversation it is. Raises `HeldByColleague`, `RisenAbove`,
    `ReasonMissing`, `NothingMasked` and, of an agent who has opened many, `LookedEnough`.
    """
    ticket = await get_ticket(session, ticket_id)
    agent = await require_hands(session, ticket, agent_id)
    if not reason.strip():
        raise ReasonMissing()
    message = await session.get(Message, message_id)
    if message is None or message.conversation_id != ticket.conversation_id or not message.sealed:
        raise NothingMasked()
    actor = f"agent:{agent_id}"
    if not is_lead(agent):
        await _hold(session, agent_id)
        if await _count_looks(session, now, actor) >= LOOKS:
            raise LookedEnough(limit=LOOKS)
    # Its subject is the one who looks: that is whom an auditor asks about, and by whom looks are counted.
    after = {"message": message_id, "ticket": ticket.number, "reason": reason.strip()[:200]}
    record(session, now, actor, ACTION, actor, after=after)
    return vault.open_text(SEAL, str(message_id), message.sealed)


async def _hold(session: AsyncSession, agent_id: int) -> None:
    """One look of an agent after the other: of several at once none would count the others."""
    await session.get_one(Agent, agent_id, with_for_update={"key_share": True}, populate_existing=True)


async def _count_looks(session: AsyncSession, now: datetime, actor: str) -> int:
    looks = select(func.count()).select_from(AuditRow).where(AuditRow.subject == actor, AuditRow.action == ACTION)
    return (await session.exec(looks.where(col(AuditRow.at) > now - WITHIN))).one()


def _renew(vault: Vault, message: Message) -> None:
    message.sealed = vault.renew_text(SEAL, str(message.id), message.sealed or "")


SEALS = Seals(Message, text_not_under(col(Message.sealed)), _renew)
