"""What follows when a shop tells of an order: one that was paid and brings nothing for long has its case.

The shop's word only says where to look. What counts is the order, read again while no transaction is open: at once, and
when it should have been delivered. Any number of processes may do it: an event is settled once, an order has one case.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import incoming
from shop.addresses import find_address
from shop.errors import ShopDown
from shop.port import Order, OrderStatus
from shop.tables import ShopEvent
from shop.vault import Vault
from tickets import lifecycle
from tickets.changes import lock_ticket
from tickets.desk import Desk
from tickets.notices import find_staff, written
from tickets.ownership import hash_contact
from tickets.tables import Author, Category, Conversation, Level, Message, Notice, OrderBinding, Outcome, Ticket
from tickets.undelivered import OWED

log = logging.getLogger(__name__)

PAGE = 200  # events of one round
ANSWERS_WITHIN = timedelta(seconds=30)
LEASE = timedelta(minutes=2)  # longer than that, so that no two ask at once
REVISITED_EVERY = timedelta(minutes=15)  # the order of a case, of which its shop may tell no more
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720))  # after each look without an answer


class Shop(Protocol):
    """A shop, as far as it shows orders."""

    async def find_order(self, order_no: str) -> Order | None:
        """As `shop.port.Counter.find_order`; raises `ShopDown`."""


class Database(Protocol):
    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


@dataclass(frozen=True, slots=True)
class MissedRules:
    """When an order of a shop is missed, and what is done then."""

    after: timedelta = timedelta(minutes=30)  # of its payment
    opens_cases: bool = False  # for buyers that are known; else staff are told


@dataclass(frozen=True)
class Follower:
    """Works the events of all shops off."""

    database: Database
    clock: Callable[[], datetime]
    desk: Desk
    vault: Vault
    find_shop: Callable[[str], Shop | None]
    rules: Mapping[str, MissedRules]  # by the shop's name
    _looked: dict[int, datetime] = field(default_factory=dict)  # at the orders of cases, by their tickets

    async def follow(self) -> int:
        """Look at every order that is due; how many events were settled. A shop that is away is asked once."""
        settled, away = 0, set[str]()
        async with self.database.reading() as session:
            due = await incoming.due(session, self.clock(), PAGE)
        for event_id, name in due:
            if name in away:
                continue
            async with self.database.writing() as session:
                event = await incoming.begin_look(session, self.clock(), event_id, self.clock() + LEASE)
            if event is None:
                continue
            try:
                order = await self._look(event.shop, event.order_no)
                async with self.database.writing() as session:
                    settled += await self._settle(session, self.clock(), event, order)
            except (ShopDown, TimeoutError) as silence:
                away.add(name)
                await self._put_off(event, str(silence) or "no answer in time")
            except Exception as error:  # one that cannot be dealt with holds up no other
                log.exception("event %s of the shop %s cannot be followed", event.id, name)
                await self._put_off(event, type(error).__name__)
        return settled

    async def revisit(self) -> int:
        """Look again at the orders of cases that nobody is at: some shops tell of an order once. How many came."""
        came, away = 0, set[str]()
        async with self.database.reading() as session:
            cases = await _find_cases(session)
        for gone in self._looked.keys() - {ticket_id for ticket_id, *_ in cases}:
            del self._looked[gone]
        for ticket_id, name, order_no, since in cases:
            if name in away or self.clock() < self._looked.get(ticket_id, since) + REVISITED_EVERY:
                continue
            self._looked[ticket_id] = self.clock()
            try:
                order = await self._look(name, order_no)
            except (ShopDown, TimeoutError):
                away.add(name)
                continue
            if order is not None and order.status == OrderStatus.DELIVERED:
                async with self.database.writing() as session:
                    came += await self._answer(session, self.clock(), order, is_told=False)
        return came

    async def _look(self, name: str, order_no: str) -> Order | None:
        """The order as it stands; None when there is none, or the shop is not ours any more."""
        shop = self.find_shop(name)
        if shop is None:
            return None
        async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
            return await shop.find_order(order_no)

    async def _put_off(self, event: ShopEvent, problem: str) -> None:
        """The shop is away: weather, until it lasts for most of a day."""
        async with self.database.writing() as session:
            now = self.clock()
            if event.attempts < len(WAITS):
                await incoming.put_off(session, event, now + WAITS[event.attempts], event.attempts + 1, problem)
            elif await incoming.give_up(session, now, event, problem):
                log.error("event %s of the shop %s was laid aside: %s", event.id, event.shop, problem)
                facts = {"shop": event.shop, "order_no": event.order_no}
                await self._tell_staff(session, now, Level.MANAGER, "notice.event_died", **facts)

    async def _settle(self, session: AsyncSession, now: datetime, event: ShopEvent, order: Order | None) -> bool:
        rules = self.rules.get(event.shop, MissedRules())
        if order is not None and order.status not in OWED and order.status != OrderStatus.UNPAID:
            is_ours = await incoming.finish(session, now, event)
            if is_ours and order.status == OrderStatus.DELIVERED:
                await self._answer(session, now, order)
            return is_ours
        paid_at = min((order and order.paid_at) or event.received_at, event.received_at)
        if now < (missed_at := paid_at + rules.after):  # an order that is not there yet may be the quicker message
            await incoming.put_off(session, event, missed_at)
            return False
        if order is None or order.status == OrderStatus.UNPAID:
            return await incoming.finish(session, now, event)
        return await self._act(session, now, event, order, rules)

    async def _act(
        self, session: AsyncSession, now: datetime, event: ShopEvent, order: Order, rules: MissedRules
    ) -> bool:
        """It is missed: the buyer who is known has a case before they ask; of anybody else staff are told."""
        conversation = await _find_conversation(session, self.vault, order)
        if conversation is not None and await _has_case(session, conversation, order):
            return await incoming.finish(session, now, event)
        opens = rules.opens_cases and conversation is not None
        if not await incoming.finish(session, now, event, incoming.CASE if opens else incoming.NOTICE):
            return False
        if opens and conversation is not None:
            ticket, is_new = await self.desk.open_undelivered(session, now, conversation, order, incoming.ACTOR)
            if is_new:
                await self.desk.tell_buyer(session, now, ticket, "undelivered.foreseen", product=order.goods.name)
        else:
            facts = {"shop": order.shop, "order_no": order.order_no, "product": order.goods.name}
            minutes = int((now - min(order.paid_at or event.received_at, now)) / timedelta(minutes=1))
            await self._tell_staff(session, now, Level.HUMAN_QUEUE, "notice.undelivered", minutes=minutes, **facts)
        return True

    async def _answer(self, session: AsyncSession, now: datetime, order: Order, *, is_told: bool = True) -> int:
        """It came after all: its case is over, unless somebody is at it, or the buyer wrote since; then they look.

        How many cases ended; `is_told`: the shop told it, and so it is told on.
        """
        ended = 0
        about = (Ticket.order_ref == f"{order.shop}/{order.order_no}", Ticket.category == Category.UNDELIVERED)
        found = select(Ticket.id).where(*about, col(Ticket.phase).in_(lifecycle.ACTIVE)).order_by(col(Ticket.id))
        for ticket_id in (await session.exec(found)).all():
            ticket = await lock_ticket(session, ticket_id)
            if not lifecycle.is_active(ticket.phase):
                continue
            if ticket.assignee_id is None and not await _has_spoken(session, ticket):
                text = await self.desk.words(session, ticket, "undelivered.arrived", product=order.goods.name)
                await self.desk.conclude(session, now, ticket, None, Outcome.INSTRUCT, text)
                ended += 1
            elif is_told:
                key, to = "notice.delivered_meanwhile", ticket.assignee_id
                await self.desk.tell_staff(session, now, ticket, key, agent_id=to, order_no=order.order_no)
        return ended

    async def _tell_staff(self, session: AsyncSession, now: datetime, level: Level, key: str, **facts: object) -> None:
        rules = self.desk.rules
        text = self.desk.say(rules.staff_language, key, **facts)
        people = (await find_staff(session)).told(level, "about an event of a shop")
        session.add_all(Notice(**row) for row in written(now, rules.quiet, None, level, text, people))


async def _find_conversation(session: AsyncSession, vault: Vault, order: Order) -> Conversation | None:
    """Where to reach whoever proved this order; else the one buyer who proved another of the same mail address."""
    bound = select(Conversation).join(OrderBinding, col(OrderBinding.identity_id) == col(Conversation.identity_id))
    latest = bound.order_by(col(OrderBinding.proved_at).desc(), col(OrderBinding.id).desc())
    proved = latest.where(OrderBinding.shop == order.shop, OrderBinding.order_no == order.order_no).limit(1)
    if (conversation := (await session.exec(proved)).first()) is not None:
        return conversation
    # A number that somebody typed as their contact may be anybody's: "123456" is the contact of many.
    contact = hash_contact(vault, order.contact) if find_address(order.contact) else None
    if contact is None:
        return None
    known = (await session.exec(latest.where(OrderBinding.contact_hash == contact).limit(20))).all()
    return known[0] if len({one.buyer_id for one in known}) == 1 else None


async def _find_cases(session: AsyncSession) -> Sequence[tuple[int, str, str, datetime]]:
    """(ticket, shop, order number, since when) of the cases that events opened and nobody has taken."""
    ref = col(ShopEvent.shop) + "/" + col(ShopEvent.order_no)
    open_ = (col(Ticket.phase).in_(lifecycle.ACTIVE), col(Ticket.assignee_id).is_(None))
    found = (
        select(Ticket.id, ShopEvent.shop, ShopEvent.order_no, Ticket.created_at)
        .join(ShopEvent, ref == col(Ticket.order_ref))
        .where(ShopEvent.became == incoming.CASE, Ticket.category == Category.UNDELIVERED, *open_)
    )
    rows = (await session.exec(found.order_by(col(Ticket.id)).limit(PAGE))).all()
    return [(number, name, order_no, since) for number, name, order_no, since in rows if number is not None]


async def _has_spoken(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether the buyer has written since the ticket was opened."""
    theirs = (Message.conversation_id == ticket.conversation_id, Message.author == Author.BUYER)
    since = select(Message.id).where(*theirs, col(Message.created_at) > ticket.created_at)
    return (await session.exec(since.limit(1))).first() is not None


async def _has_case(session: AsyncSession, conversation: Conversation, order: Order) -> bool:
    """Whether this buyer has, or had, a ticket about what they are owed of this order."""
    about = (Ticket.buyer_id == conversation.buyer_id, Ticket.order_ref == f"{order.shop}/{order.order_no}")
    owed = col(Ticket.category).in_((Category.UNDELIVERED, Category.REFUND))
    return (await session.exec(select(Ticket.id).where(*about, owed).limit(1))).first() is not None
