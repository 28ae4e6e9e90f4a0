"""What the shop's own people say to buyers past us, from the account in whose name we answer: it is an answer too."""

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import meant, reply_windows
from tickets.changes import changing, lock_ticket, move
from tickets.outbox import mark_sent, post
from tickets.owed import Owed
from tickets.tables import Author, Conversation, Message, Outgoing, Phase, id_of

ACTOR = "owner"  # audit: whoever writes from the shop's own account
HELD_FOR = timedelta(hours=48)  # that a conversation is taken to be theirs when nobody says that it ended


def hold(session: AsyncSession, now: datetime, conversation: Conversation, since: datetime) -> None:
    """A person took the conversation over on the messenger itself: the bot is silent until it ends there."""
    conversation.hushed_until = max(since + HELD_FOR, conversation.hushed_until or now)
    session.add(conversation)
    until = {"until": conversation.hushed_until.isoformat()}
    record(session, now, ACTOR, "conversation.held", f"conversation:{id_of(conversation)}", after=until)


async def end(session: AsyncSession, now: datetime, conversation: Conversation, ended_at: datetime) -> None:
    """That person ended it there: the bot answers the buyer's next word, and nothing can be sent before that."""
    conversation.hushed_until = None
    session.add(conversation)
    await reply_windows.close(session, ended_at, id_of(conversation))
    record(session, now, ACTOR, "conversation.ended", f"conversation:{id_of(conversation)}")


class Overheard(Owed):
    """The verb of words that have arrived before we hear of them."""

    async def overhear(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        text: str,
        foreign_id: str,
        *,
        said_at: datetime,
    ) -> Message:
        """Keep these words, masked by the caller, as an answer that has arrived; the bot is silent for a while of them.

        The ticket spoken of last is handled by it, as by any reply of a person.
        """
        spoken_of = await meant.spoken_of(session, conversation)
        ticket = await lock_ticket(session, spoken_of[0].id) if spoken_of else None
        if ticket is not None:
            with changing(session, now, ticket, ACTOR, "ticket.replied"):
                move(ticket, Phase.WAITING, "answered")
        message = await post(
            session, now, conversation, text, author=Author.AGENT, ticket=ticket, handles=ticket is not None
        )
        outgoing = (await session.exec(select(Outgoing.id).where(Outgoing.message_id == message.id))).one()
        assert outgoing is not None
        await mark_sent(session, now, outgoing, foreign_id)
        await self.follow_arrival(session, now, outgoing)
        # Where we hear of them late, they spend nothing of what a later word of the buyer allows.
        at = min(said_at, now)
        await session.exec(update(Outgoing).where(col(Outgoing.id) == outgoing).values(sent_at=at))
        conversation.hushed_until = max(at + self.rules.hush, conversation.hushed_until or at)
        session.add(conversation)
        return message
