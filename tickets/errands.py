"""What asks the shops to do what was decided: outside any transaction, each once by its key.

First the intent stands in our books, then the shop is asked, then what it answered is written with all that follows of
it. Whoever is ended in between leaves an errand whose lease ends: the next one asks with the same key, and the shop, or
our mark of its card, knows what that key has got.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from shop import errands, marks
from shop.errors import ShopDown
from shop.port import Answer, Issued, Order, OrderStatus, Power, Reply, Shop
from shop.tables import Errand, ErrandState
from tickets.claims import Claims
from tickets.fetched import LOOKS, Fetched, tell_managers
from tickets.payouts import Database

log = logging.getLogger(__name__)

PAGE = 50  # errands of one round
AT_ONCE = 4  # that a shop is asked about
ANSWERS_WITHIN = timedelta(seconds=10)
LEASE = timedelta(seconds=30)  # longer than that, so that no two ask at once
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60, 240))  # after each try without an answer
AWAY: Reply[Issued] = Reply(Answer.REFUSED, note="the shop is away")
UNFIT: Reply[Issued] = Reply(Answer.REFUSED, note="the shop has no such delivered order any more")
_NOT_DONE: Reply[None] = Reply(Answer.UNSUPPORTED)


class Errands:
    """The job. `shops` finds a shop by its name."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        claims: Claims,
        shops: Callable[[str], Shop | None],
    ) -> None:
        self._database, self._clock, self._claims, self._shops = database, clock, claims, shops
        self._fetched = Fetched(claims)

    async def run(self) -> int:
        """Do everything that is due; how many errands were tried. One that fails holds up no other."""
        async with self._database.reading() as session:
            due = await errands.due(session, self._clock(), PAGE)
        limit = asyncio.Semaphore(AT_ONCE)

        async def carry_out(errand_id: int) -> bool:
            async with limit:
                return await self._try(errand_id)

        tried = sum(await asyncio.gather(*map(carry_out, due)))
        await self._look_again()
        await self._tell_lost()
        return tried

    async def _try(self, errand_id: int) -> bool:
        async with self._database.writing() as session:
            errand = await errands.begin_try(session, self._clock(), errand_id, self._clock() + LEASE)
        if errand is None:
            return False
        try:
            if errand.power != Power.ISSUE:
                await self._tell_shop(errand)
            elif errand.state == ErrandState.WANTED:
                await self._take(errand)
            else:
                await self._hand_out(errand)
        except (ShopDown, TimeoutError) as silence:
            await self._put_off(errand, str(silence) or "no answer in time")
        except Exception as error:
            log.exception("errand %s cannot be carried out; it is tried again", errand_id)
            await self._put_off(errand, type(error).__name__)
        return True

    async def _take(self, errand: Errand) -> None:
        """A code of the shop's own stock, and out with it unless its sales have to settle first."""
        shop = self._shops(errand.shop)
        order, reply = await self._ask_for_code(shop, errand)
        if order is None or shop is None or reply.value is None:
            async with self._database.writing() as session:
                await self._fetched.give_up(session, self._clock(), errand, reply.note, ErrandState.REFUSED)
            return
        async with self._database.writing() as session:
            await self._fetched.keep(session, self._clock(), errand, order, reply.value, shop.settles)
        if not shop.settles:
            await self._try(errand.id)

    async def _ask_for_code(self, shop: Shop | None, errand: Errand) -> tuple[Order | None, Reply[Issued]]:
        is_asked = errand.attempts > 1  # whoever was ended may have asked
        if shop is None:
            return None, AWAY
        try:
            async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
                order = await shop.find_order(errand.order_no)
                if order is None or not _is_fit(order, errand):
                    return None, UNFIT
                is_asked = True
                return order, await shop.issue(errand.order_no, errand.sku, errand.key)
        except (ShopDown, TimeoutError):
            if is_asked:  # it may have taken a card all the same
                raise
            return None, AWAY

    async def _hand_out(self, errand: Errand) -> None:
        shop = self._shops(errand.shop)
        settles = shop.settles if shop else timedelta(0)
        other = (await self._find_resold(shop, [errand])).get(errand.reference or "") if shop and settles else None
        async with self._database.writing() as session:
            if other:
                await self._fetched.collide(session, self._clock(), errand, other, None)
            else:
                await self._fetched.hand_out(session, self._clock(), errand, settles)

    async def _tell_shop(self, errand: Errand) -> None:
        shop, reply = self._shops(errand.shop), _NOT_DONE
        async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
            if shop and errand.power == Power.NOTE:
                reply = await shop.note(errand.order_no, errand.text)
            elif shop:
                reply = await shop.quarantine(errand.order_no, errand.fingerprint)
        state = ErrandState.DONE if reply.answer == Answer.DONE else ErrandState.REFUSED
        async with self._database.writing() as session:
            await errands.move(session, self._clock(), errand, state, problem=reply.note or None)
            if reply.answer == Answer.MANUAL:
                key = "notice.errand_dead"
                await self._fetched.tell_managers(session, self._clock(), errand, key, problem=reply.note)

    async def _put_off(self, errand: Errand, problem: str) -> None:
        """Asked again later with the same key; a claim does not wait so long, it is a person's from now on."""
        is_dead = errand.attempts > len(WAITS)
        async with self._database.writing() as session:
            now = self._clock()
            state = ErrandState.DEAD if is_dead else None
            until = None if is_dead else now + WAITS[errand.attempts - 1]
            await self._fetched.give_up(session, now, errand, problem, state, until)

    async def _look_again(self) -> None:
        """Whether codes that went out were sold by their shops as well: a sale may take longer than it should."""
        async with self._database.reading() as session:
            due = await errands.due_looks(session, self._clock(), PAGE)
        by_goods: dict[tuple[str, str], list[Errand]] = defaultdict(list)
        for errand in due:
            by_goods[errand.shop, errand.sku].append(errand)
        for (name, _), looked_for in by_goods.items():
            shop = self._shops(name)
            try:
                found = await self._find_resold(shop, looked_for) if shop else {}
                for errand in looked_for:
                    await self._look_at(shop, errand, found.get(errand.reference or ""))
            except (ShopDown, TimeoutError):
                async with self._database.writing() as session:
                    for errand in looked_for:
                        await errands.set_look(session, errand, self._clock() + LOOKS[0], counts=False)

    async def _look_at(self, shop: Shop | None, errand: Errand, other: str | None) -> None:
        order = await shop.find_order(errand.order_no) if shop and other else None
        async with self._database.writing() as session:
            if other:
                await self._fetched.collide(session, self._clock(), errand, other, order)
            else:
                spans = LOOKS[errand.looks + 1 :]
                look_at = errand.taken_at + spans[0] if spans and errand.taken_at else None
                await errands.set_look(session, errand, look_at)

    async def _find_resold(self, shop: Shop, looked_for: Sequence[Errand]) -> dict[str, str]:
        references = [errand.reference for errand in looked_for if errand.reference]
        since = min(errand.taken_at or errand.made_at for errand in looked_for)
        async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
            reply = await shop.find_resold(looked_for[0].sku, references, since)
        return dict(reply.value or {})

    async def _tell_lost(self) -> None:
        """Cards of which nobody knows whether they were taken: a person sees to them in the shop."""
        async with self._database.reading() as session:
            if not await marks.has_untold(session):
                return
        async with self._database.writing() as session:
            for mark in await marks.take_untold(session, self._clock()):
                about = {"shop": mark.shop, "card": mark.reference}
                await tell_managers(session, self._clock(), self._claims, "notice.card_lost", None, **about)


def _is_fit(order: Order, errand: Errand) -> bool:
    """Whether its goods came, and the money stayed; what a person granted stands."""
    is_delivered = order.status in (OrderStatus.DELIVERED, OrderStatus.PARTIAL)
    return is_delivered and (order.refunded == 0 or errand.actor != "bot")
