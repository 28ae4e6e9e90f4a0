"""Topics in a buyer's own chat, where the messenger has them: what is said in one is about its ticket."""

from sqlmodel.ext.asyncio.session import AsyncSession

from bot import topics
from bot.channels.port import Inbound
from bot.tables import TopicMessage, TopicState
from tickets.changes import get_ticket
from tickets.meant import find_named, is_spam, last_of
from tickets.tables import Conversation, Message, Ticket, id_of


async def find_ticket(session: AsyncSession, conversation: Conversation, inbound: Inbound) -> Ticket | None:
    """The ticket in whose topic this was said, where it is after its merges; None elsewhere.

    A topic whose making was never confirmed to us is known by its name.
    """
    thread, bot = inbound.topic_id, inbound.account
    if thread is None:
        return None
    topic = await topics.find_at(session, bot, inbound.address, thread)
    if topic is not None:
        ticket = await get_ticket(session, topic.ticket_id)
        return None if await is_spam(session, ticket) else await last_of(session, ticket)
    named = await find_named(session, conversation.buyer_id, topics.number_in(inbound.topic_name))
    lost = await topics.find(session, bot, id_of(named)) if named else None
    if lost is not None and lost.state == TopicState.UNKNOWN and lost.thread_id is None:
        lost.thread_id, lost.state, lost.problem = thread, TopicState.OPEN, None
        session.add(lost)
    return await last_of(session, named) if named and lost else None


def note(session: AsyncSession, inbound: Inbound, message: Message) -> None:
    """This was said there, or answers what was."""
    if inbound.topic_id is not None:
        session.add(TopicMessage(message_id=id_of(message), thread_id=inbound.topic_id))
