"""An order that was paid and brought nothing, or not all: a ticket of its own, one per order. It is no claim."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from shop.port import Order, OrderStatus
from tickets import lifecycle
from tickets.buyers import BuyersDesk
from tickets.changes import lock_ticket
from tickets.tables import Buyer, Category, Conversation, Ticket

OWED = frozenset({OrderStatus.PAID_UNDELIVERED, OrderStatus.ABNORMAL, OrderStatus.PARTIAL})


class Undelivered(BuyersDesk):
    """What is owed to buyers."""

    async def open_undelivered(
        self, session: AsyncSession, now: datetime, conversation: Conversation, order: Order, actor: str = ""
    ) -> tuple[Ticket, bool]:
        """The unsettled ticket about this order, and whether it is new; `actor` is who asked, else the buyer.

        The buyer may ask while the shop tells us: the conversation is locked as in `hand_over`, so that one opens it.
        """
        await session.get_one(
            Conversation, conversation.id, with_for_update={"key_share": True}, populate_existing=True
        )
        ref = f"{order.shop}/{order.order_no}"
        opened = await self.open_tickets(session, now, conversation.buyer_id)
        known = (one for one in opened if one.category == Category.UNDELIVERED and one.order_ref == ref)
        if (found := next(known, None)) is not None:
            ticket = await lock_ticket(session, found.id)
            if not actor and lifecycle.is_active(ticket.phase):
                await self.wait_on(session, now, ticket)  # the buyer's own question: whatever we had asked them
            return ticket, False
        buyer = await session.get_one(Buyer, conversation.buyer_id)
        subject = self.say(buyer.language, "undelivered.subject", product=order.goods.name)
        ticket = await self.open(session, now, conversation, Category.UNDELIVERED, subject, order_ref=ref, actor=actor)
        return ticket, True
