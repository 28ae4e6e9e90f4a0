"""Words that their buyer changed. What stood there before is kept; where it still matters, the new ones are answered.

It matters while the bot waits for what they were an answer to, and after a question that it did not know or that has
another answer now. What was decided by the old words stays decided.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.port import Inbound
from bot.dialogue import hiding, reading
from bot.dialogue.acts import Act, Intent
from bot.dialogue.state import Scene, State, Step
from shop.vault import Vault
from tickets import lifecycle, said
from tickets.changes import get_ticket
from tickets.desk import Desk
from tickets.hidden_words import keep_typed
from tickets.tables import Message, id_of


@dataclass(frozen=True, slots=True)
class Edit:
    """A message of ours that was changed."""

    message_id: int
    is_changed: bool  # Telegram tells of changes that nobody sees
    is_last: bool  # the buyer has said nothing since
    is_hidden: bool  # a proof stood in it, or may have
    is_awaited: bool = False  # the new words are answered


async def find_edit(session: AsyncSession, vault: Vault, scene: Scene, inbound: Inbound) -> Edit | None:
    """The message of this conversation that was changed; None when we do not know it: then its words are new."""
    if scene.conversation_id is None:
        return None
    message = await said.find_said(session, scene.conversation_id, inbound.message_id)
    if message is None:
        return None
    is_hidden = reading.HIDDEN in message.text and not message.sealed
    is_same = reading.clean(inbound.text) == said.typed(vault, message)
    return Edit(id_of(message), not is_same, await said.is_last_word(session, message), is_hidden)


def as_it_was(scene: Scene, edit: Edit) -> Scene:
    """The scene in which the message was said: what it answered then, it answers now."""
    step = Step(scene.state.answered or Step.IDLE)
    return replace(scene, state=replace(scene.state, step=step) if edit.is_last else State())


def weigh(edit: Edit, state: State, intent: Intent) -> Edit:
    """The edit, with whether it is awaited; `state` is how the dialogue stands, `intent` what the new words mean."""
    return replace(edit, is_awaited=edit.is_changed and edit.is_last and _is_awaited(state, intent))


def _is_awaited(state: State, intent: Intent) -> bool:
    answered = Step(state.answered or Step.IDLE)
    if state.step == Step.IDLE:
        match = intent.match if intent.act == Act.ASK else None
        is_other = match is not None and match.outcome == "answer" and match.entry != state.entry
        return answered == Step.IDLE and bool(state.misses or state.offered or is_other)
    # The number of an order may be put right as long as it is not proved.
    is_number = state.step == Step.PROOF and intent.act == Act.ORDER
    return answered == state.step or is_number


async def revise(
    session: AsyncSession,
    now: datetime,
    vault: Vault,
    edit: Edit,
    inbound: Inbound,
    stored: str,
    *,
    actor: str,
    is_secret: bool,
) -> Message:
    """Write the new words, masked as `stored`, where the old ones stood. A proof is kept in neither."""
    message = await session.get_one(Message, edit.message_id)
    typed = reading.clean(inbound.text)
    if edit.is_hidden and not edit.is_awaited:
        stored = hiding.hide_unknown(typed, ())
    if edit.is_changed and (stored != message.text or message.sealed):
        await said.revise(session, now, message, stored, actor)
        if not (is_secret or edit.is_hidden):
            keep_typed(vault, message, typed)
    return message


async def tell_people(session: AsyncSession, now: datetime, desk: Desk, message: Message) -> None:
    """Whoever has the ticket on which the changed words stand hears of them, as of any word."""
    if message.ticket_id is None:
        return
    ticket = await get_ticket(session, message.ticket_id)
    if lifecycle.is_active(ticket.phase):
        await desk.hear(session, now, ticket, message)
