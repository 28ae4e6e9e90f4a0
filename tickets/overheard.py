"""What the shop's own people say to buyers past us, from the account in whose name we answer: it is an answer too."""

from datetime import datetime

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import meant
from tickets.changes import changing, lock_ticket, move
from tickets.outbox import mark_sent, post
from tickets.owed import Owed
from tickets.tables import Author, Conversation, Message, Outgoing, Phase

ACTOR = "owner"  # audit: whoever writes from the shop's own account


class Overheard(Owed):
    """The verb of words that have arrived before we hear of them."""

    async def overhear(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        text: str,
        foreign_id: str,
    ) -> Message:
        """Keep these words, masked by the caller, as an answer that has arrived; the bot is silent here for a while.

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
        conversation.hushed_until = now + self.rules.hush
        session.add(conversation)
        return message
