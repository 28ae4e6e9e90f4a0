"""What follows when a shop tells of an order."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count, repeat

import pytest

from audit.tables import AuditRow
from shop import incoming
from shop.errors import ShopDown
from shop.events import Event
from shop.port import Goods, Order, OrderStatus, ProofWay
from shop.tables import ShopEvent
from shop.vault import Vault
from tests.tickets.conftest import Floor
from tickets.ownership import Ownership
from tickets.shop_events import WAITS, Follower, MissedRules
from tickets.tables import Conversation, Notice, Phase, Role, Ticket

MINUTE = timedelta(minutes=1)
GOODS = Goods("STEAM50", "Steam 50", 4850, "CNY", timedelta(days=30))


@dataclass
class Stall:
    """One order, or none, or a shop that is away."""

    order: Order | None
    is_down: bool = False
    asked: int = 0

    async def find_order(self, order_no: str) -> Order | None:
        self.asked += 1
        if self.is_down:
            raise ShopDown(shop="star")
        return self.order if self.order and order_no == self.order.order_no else None


@dataclass
class Street:
    """A shop, and who follows its events."""

    floor: Floor
    vault: Vault
    now: datetime
    opens_cases: bool = True
    stall: Stall = field(init=False)

    def __post_init__(self) -> None:
        owed = Order("star", "S-1", OrderStatus.PAID_UNDELIVERED, GOODS, 1, 4850, 0, self.now, None)
        self.stall = Stall(replace(owed, contact="wang@example.com"))

    def follower(self) -> Follower:
        rules = {"star": MissedRules(30 * MINUTE, self.opens_cases)}
        shops = {"star": self.stall}
        return Follower(self.floor.database, lambda: self.now, self.floor.desk, self.vault, shops.get, rules)

    async def tell(self, event_id: str = "e1", order_no: str = "S-1", shop: str = "star") -> bool:
        async with self.floor.database.writing() as session:
            return await incoming.receive(session, self.now, shop, Event(event_id, order_no, "order.paid"))

    async def follow(self, later: timedelta = timedelta()) -> int:
        self.now += later
        return await self.follower().follow()

    async def know(self, order_no: str = "S-1", address: str = "buyer-1") -> Conversation:
        """A buyer who has proved an order."""
        conversation = await self.floor.meet(address)
        assert self.stall.order is not None
        order = replace(self.stall.order, order_no=order_no)
        await self.floor.do(Ownership(self.vault).bind, conversation.identity_id, order, ProofWay.QUERY_PASSWORD)
        return conversation

    async def state(self) -> list[tuple[str, str | None]]:
        return [(one.state, one.became) for one in await self.floor.all(ShopEvent)]


@pytest.fixture
def street(floor: Floor, vault: Vault) -> Street:
    return Street(floor, vault, floor.now)


async def test_a_missed_order_of_a_known_buyer_is_a_case_before_they_ask(street: Street) -> None:
    conversation = await street.know()
    await street.tell()

    early = await street.follow(), await street.follow(29 * MINUTE)
    settled = await street.follow(MINUTE)

    ticket = await street.floor.one(Ticket)
    assert (early, settled) == ((0, 0), 1)
    assert (ticket.category, ticket.order_ref) == ("undelivered", "star/S-1")
    opened = await street.floor.one(AuditRow, action="ticket.opened")
    assert opened.actor == "system"
    assert ticket.conversation_id == conversation.id
    assert await street.floor.queued() == [f"zh:undelivered.foreseen number={ticket.number} product=Steam 50"]
    assert await street.state() == [("done", "case")]
    assert street.stall.asked == 2  # not while it was known to be early


async def test_an_order_has_one_case_however_many_events_tell_of_it(street: Street) -> None:
    await street.know()
    told = [await street.tell("e1"), await street.tell("e1"), await street.tell("e2")]

    await street.follow()
    await street.follow(31 * MINUTE)
    later = await street.tell("e3")
    await street.follow(MINUTE)

    assert [*told, later] == [True, False, True, True]
    assert len(await street.floor.all(Ticket)) == 1
    assert sorted(await street.state(), key=str) == [("done", "case"), ("done", None), ("done", None)]


async def test_the_buyer_who_asked_first_has_no_second_ticket(street: Street) -> None:
    conversation = await street.know()
    assert street.stall.order is not None
    await street.floor.do(street.floor.desk.open_undelivered, conversation, street.stall.order)
    await street.tell()

    await street.follow(31 * MINUTE)

    assert len(await street.floor.all(Ticket)) == 1
    assert await street.state() == [("done", None)]
    assert await street.floor.queued() == []


@pytest.mark.parametrize("is_known", [False, True])
async def test_of_an_order_without_a_case_staff_are_told_once(street: Street, *, is_known: bool) -> None:
    """Nobody is known, or the owner wants no cases."""
    await street.floor.hire("lin")
    if is_known:
        await street.know()
        street.opens_cases = False
    await street.tell("e1")
    await street.tell("e2")

    await street.follow(31 * MINUTE)
    await street.follow(31 * MINUTE)

    (notice,) = await street.floor.all(Notice)
    assert notice.text == "zh:notice.undelivered minutes=31 shop=star order_no=S-1 product=Steam 50"
    assert await street.floor.all(Ticket) == []


async def test_a_mail_address_leads_to_its_buyer_only_where_there_is_one(street: Street) -> None:
    await street.know("S-0", "buyer-1")
    await street.tell()
    await street.follow(31 * MINUTE)
    first = await street.floor.all(Ticket)

    await street.know("S-7", "buyer-2")
    assert street.stall.order is not None
    street.stall.order = replace(street.stall.order, order_no="S-2")
    await street.tell("e2", "S-2")
    await street.follow(31 * MINUTE)

    assert [one.order_ref for one in first] == ["star/S-1"]
    assert len(await street.floor.all(Ticket)) == 1
    assert [became for _, became in await street.state()] == ["case", "notice"]


@pytest.mark.parametrize("status", [OrderStatus.DELIVERED, OrderStatus.REFUNDED, OrderStatus.CLOSED])
async def test_what_is_settled_already_is_looked_at_once(street: Street, status: OrderStatus) -> None:
    assert street.stall.order is not None
    street.stall.order = replace(street.stall.order, status=status)
    await street.tell()

    assert await street.follow() == 1
    assert await street.follow(31 * MINUTE) == 0
    assert (street.stall.asked, await street.state()) == (1, [("done", None)])


async def test_what_comes_after_its_case_was_opened_ends_it(street: Street) -> None:
    await street.know()
    await street.tell()
    await street.follow(31 * MINUTE)
    assert street.stall.order is not None
    street.stall.order = replace(street.stall.order, status=OrderStatus.DELIVERED)
    await street.tell("e2")

    assert await street.follow(MINUTE) == 1

    ticket = await street.floor.one(Ticket)
    assert ticket.phase == Phase.RESOLVED
    assert (await street.floor.queued())[-1].startswith("zh:undelivered.arrived")
    resolved = await street.floor.one(AuditRow, action="ticket.resolved")
    assert (resolved.actor, (resolved.after or {})["outcome"]) == ("bot", "instruct")


async def test_a_shop_that_tells_once_is_looked_at_again_while_its_case_is_open(street: Street) -> None:
    await street.know()
    await street.tell()
    await street.follow(31 * MINUTE)
    follower = street.follower()
    asked = street.stall.asked

    early = await follower.revisit()
    street.now += 15 * MINUTE
    waiting = await follower.revisit(), await follower.revisit()
    assert street.stall.order is not None
    street.stall.order = replace(street.stall.order, status=OrderStatus.DELIVERED)
    street.now += 15 * MINUTE
    came = await follower.revisit(), await follower.revisit()

    assert (early, waiting, came) == (0, (0, 0), (1, 0))
    assert street.stall.asked == asked + 2
    assert (await street.floor.one(Ticket)).phase == Phase.RESOLVED


@pytest.mark.parametrize("who", ["agent", "buyer"])
async def test_a_case_that_somebody_is_at_is_left_to_them(street: Street, who: str) -> None:
    await street.know()
    lin = await street.floor.hire("lin")
    await street.tell()
    await street.follow(31 * MINUTE)
    ticket = await street.floor.one(Ticket)
    if who == "agent":
        await street.floor.do(street.floor.desk.take, ticket.id, lin)
    else:
        await street.floor.speak(ticket, at=street.now + MINUTE)
    assert street.stall.order is not None
    street.stall.order = replace(street.stall.order, status=OrderStatus.DELIVERED)
    await street.tell("e2")

    await street.follow(2 * MINUTE)

    ticket = await street.floor.one(Ticket)
    assert ticket.phase == Phase.OPEN
    assert "notice.delivered_meanwhile" in (await street.floor.all(Notice))[-1].text


async def test_an_event_may_be_quicker_than_its_order(street: Street) -> None:
    order, street.stall.order = street.stall.order, None
    await street.tell()
    await street.follow()
    street.stall.order = order

    await street.follow(31 * MINUTE)

    assert await street.state() == [("done", "notice")]


async def test_an_order_that_never_comes_and_a_shop_that_is_gone_end_quietly(street: Street) -> None:
    await street.tell("e1", "nothing")
    await street.tell("e1", "S-1", shop="gone")

    await street.follow()
    settled = await street.follow(31 * MINUTE)

    assert settled == 2
    assert await street.state() == [("done", None)] * 2
    assert await street.floor.all(Notice) == []


async def test_a_shop_that_is_away_is_weather_until_it_lasts(street: Street) -> None:
    await street.floor.hire("boss", Role.MANAGER)
    street.stall.is_down = True
    await street.tell("e1")
    await street.tell("e2")

    for wait in (timedelta(), *WAITS):
        asked = street.stall.asked
        await street.follow(wait)
        assert street.stall.asked == asked + 1  # both are due, and the shop is away for both
        await street.follow()
    await street.follow(WAITS[-1])

    assert await street.state() == [("dead", None)] * 2
    assert {one.problem for one in await street.floor.all(ShopEvent)} == {"Shop star does not answer."}
    assert {one.text for one in await street.floor.all(Notice)} == {"zh:notice.event_died shop=star order_no=S-1"}


async def test_an_event_that_cannot_be_dealt_with_holds_up_no_other(street: Street) -> None:
    class Odd(Stall):
        async def find_order(self, order_no: str) -> Order | None:
            if order_no == "odd":
                raise ValueError(order_no)
            return await super().find_order(order_no)

    assert street.stall.order is not None
    street.stall = Odd(replace(street.stall.order, status=OrderStatus.DELIVERED))
    await street.tell("e1", "odd")
    await street.tell("e2")

    await street.follow()

    assert await street.state() == [("pending", None), ("done", None)]
    assert (await street.floor.one(ShopEvent, order_no="odd")).problem == "ValueError"


async def test_what_was_laid_aside_is_followed_after_all(street: Street) -> None:
    street.stall.is_down = True
    await street.tell()
    for wait in (timedelta(), *WAITS):
        await street.follow(wait)
    street.stall.is_down = False

    async with street.floor.database.writing() as session:
        (event,) = await incoming.laid_aside(session, 10)
        tried = [await incoming.retry(session, street.now, event, "system") for _ in range(2)]
    await street.follow()

    assert tried == [True, False]
    assert await street.state() == [("done", "notice")]


async def test_an_answer_that_comes_after_the_lease_decides_nothing(street: Street) -> None:
    await street.know()
    await street.tell()
    late = street.follower()
    street.now += 31 * MINUTE
    async with street.floor.database.writing() as session:
        event = await incoming.begin_look(session, street.now, 1, street.now + MINUTE)
    assert event is not None

    await street.follow(2 * MINUTE)
    async with street.floor.database.writing() as session:
        settled = await late._settle(session, street.now, event, street.stall.order)

    assert settled is False
    assert len(await street.floor.all(Ticket)) == 1


async def check_that_an_event_is_kept_once(street: Street, numbers: Iterator[str]) -> None:
    """A shop that heard no answer sends the same again."""
    told = [await street.tell(next(numbers)) for _ in range(3)]
    assert told == [True, False, False]
    assert len(await street.floor.all(ShopEvent)) == 1


async def test_an_event_is_kept_once(street: Street) -> None:
    await check_that_an_event_is_kept_once(street, repeat("e1"))


async def test_the_check_fails_where_each_call_is_an_event_of_its_own(street: Street) -> None:
    with pytest.raises(AssertionError):
        await check_that_an_event_is_kept_once(street, map(str, count()))


async def test_of_two_processes_one_settles_an_event(street: Street) -> None:
    await street.know()
    await street.tell("e1")
    await street.tell("e2")
    street.now += 31 * MINUTE

    await asyncio.gather(*(street.follower().follow() for _ in range(4)))

    assert len(await street.floor.all(Ticket)) == 1
    assert {state for state, _ in await street.state()} == {"done"}
