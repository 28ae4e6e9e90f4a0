"""What happens beside the talk: a buyer leaves or comes back, takes words back, or the shop's own person speaks.

Nothing of it is answered. Where a person of the shop writes to buyers from the account that the bot answers for, the
bot leaves the word to them for a while.
"""

from dataclasses import asdict
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from bot.channels.port import Business, Inbound, Kind, Past
from bot.dialogue import hiding, rating, reading, tickets
from bot.dialogue.acts import Act, Intent
from bot.dialogue.state import orders_of
from bot.dialogue.turn import Parts, Turn, meet
from bot.errors import BuyerBlocked
from bot.tables import BusinessConnection
from tickets import absence, conversations, overheard, said
from tickets.hidden_words import keep_typed
from tickets.overheard import ACTOR
from tickets.tables import Conversation, id_of

UNSAID = frozenset({Kind.LEFT, Kind.BACK, Kind.WITHDRAWN, Kind.BUSINESS, Kind.HELD, Kind.ENDED})


def is_aside(inbound: Inbound) -> bool:
    """Whether nothing is to be answered."""
    return inbound.by_owner or inbound.kind in UNSAID


def is_kept_only(inbound: Inbound, intent: Intent) -> bool:
    """Whether these words were not said to us, or so long ago that only a request is worth an answer."""
    if inbound.past is None:
        return False
    is_nicety = reading.acknowledges(inbound.text) or reading.gives_thanks(inbound.text)
    return inbound.past == Past.KEPT or intent.act == Act.EMPTY or (intent.act == Act.CHAT and is_nicety)


async def take(parts: Parts, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
    """Write down what happened."""
    if inbound.business is not None:
        await _note_connection(session, now, inbound, inbound.business)
        return
    place = inbound.channel, inbound.account, inbound.address
    conversation = await conversations.find(session, *place)
    if inbound.by_owner and inbound.kind not in UNSAID:
        await _overhear(parts, session, now, inbound, conversation or await meet(parts, session, now, inbound))
    elif inbound.kind == Kind.HELD:  # perhaps of a buyer who spoke before we were there
        held = conversation or await meet(parts, session, now, inbound)
        overheard.hold(session, now, held, inbound.sent_at)
    elif conversation is None:
        return
    elif inbound.kind == Kind.LEFT:
        await absence.leave(session, now, conversation, str(BuyerBlocked(reason="seen before sending")))
    elif inbound.kind == Kind.BACK:
        absence.come_back(session, now, conversation)
    elif inbound.kind == Kind.ENDED:
        await overheard.end(session, now, conversation, inbound.sent_at)
        if inbound.answer_by is not None and now < inbound.answer_by:
            await rating.ask_of_talk(parts.desk, session, now, conversation)
    else:
        actor = ACTOR if inbound.by_owner else f"buyer:{conversation.buyer_id}"
        await said.withdraw(session, now, id_of(conversation), inbound.withdrawn, actor)


async def is_hushed(turn: Turn) -> bool:
    """Whether the word is with the shop's own person, or we may not speak for the shop.

    A press under what we said in the name of a shop's account asks us alone: it is not shown to its owner.
    """
    until, connection = turn.conversation.hushed_until, turn.inbound.connection
    if connection and turn.inbound.kind == Kind.PRESS:
        return False
    if until is not None and until > turn.now:
        return True
    if not connection:
        return False
    key = turn.inbound.channel, turn.inbound.account, connection
    known = await turn.session.get(BusinessConnection, key)
    return known is not None and not (known.can_reply and known.is_enabled)


async def listen(turn: Turn) -> None:
    """Keep what the buyer says, for the person whose word it is; on the ticket, where there is one."""
    ticket = await tickets.find_waiting(turn)
    if ticket is not None and turn.message is not None:
        await turn.parts.desk.hear(turn.session, turn.now, ticket, turn.message)


async def _overhear(
    parts: Parts, session: AsyncSession, now: datetime, inbound: Inbound, conversation: Conversation
) -> None:
    """The shop's own person wrote to this buyer, or changed what they wrote."""
    typed = reading.clean(inbound.text)
    own = frozenset(await orders_of(session, conversation.identity_id))
    stored = hiding.hide(typed, hiding.Known(own))
    message = await said.find_said(session, id_of(conversation), inbound.message_id)
    if message is None:
        words = (conversation, stored, inbound.message_id)
        message = await parts.desk.overhear(session, now, *words, said_at=inbound.sent_at)
        message.attachments = [dict(one) for one in inbound.attachments]
    elif inbound.kind == Kind.EDIT and typed != said.typed(parts.vault, message):
        await said.revise(session, now, message, stored, ACTOR)
    else:
        return
    keep_typed(parts.vault, message, typed)
    session.add(message)


async def _note_connection(session: AsyncSession, now: datetime, inbound: Inbound, business: Business) -> None:
    """An account of the shop's lets us speak for it from now on, or no more."""
    key = inbound.channel, inbound.account, business.connection
    known = await session.get(BusinessConnection, key)
    if known is None:
        known = BusinessConnection(channel=inbound.channel, account=inbound.account, changed_at=now, **asdict(business))
        session.add(known)
    else:
        known.owner, known.can_reply, known.is_enabled = business.owner, business.can_reply, business.is_enabled
        known.changed_at = now
    after = {"can_reply": business.can_reply, "is_enabled": business.is_enabled}
    record(session, now, ACTOR, "business.connected", f"business:{business.connection}", after=after)
