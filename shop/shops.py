"""All shops of an install as one counter."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from shop.errors import ShopDown
from shop.port import Answer, CodeCheck, Contact, Order, Origin, Power, ProofWay, Reply, Shop, Verdict

Value = TypeVar("Value")


class Shops:
    """`shop.port.Counter` over shops that are asked at the same time.

    A number that two shops have belongs to the one that the settings name first. While that one does not answer,
    nobody knows whether it has the number, and what a later shop says does not count: it may be a stranger's.
    """

    def __init__(self, shops: Sequence[Shop]) -> None:
        self._shops = {shop.name: shop for shop in shops}
        self.name = next(iter(self._shops))
        self._only = shops[0] if len(shops) == 1 else None

    @property
    def powers(self) -> frozenset[Power]:
        """What at least one of them can do."""
        return frozenset[Power]().union(*(shop.powers for shop in self._shops.values()))

    def led_by(self, names: Sequence[str]) -> "Shops":
        """The same shops, those of these names before the others."""
        ordered = sorted(
            self._shops.values(), key=lambda shop: names.index(shop.name) if shop.name in names else len(names)
        )
        return Shops(ordered)

    def powers_of(self, name: str) -> frozenset[Power]:
        """What the shop of this name can do."""
        shop = self._shops.get(name)
        return shop.powers if shop else frozenset()

    def find(self, name: str) -> Shop | None:
        """The shop of this name."""
        return self._shops.get(name)

    async def close(self) -> None:
        """Let go of what they hold open."""
        for shop in self._shops.values():
            await shop.close()

    async def find_order(self, order_no: str) -> Order | None:
        async def ask(shop: Shop) -> tuple[bool, Order | None]:
            order = await shop.find_order(order_no)
            return order is not None, order

        return next((order for is_found, order in await self._ask(ask) if is_found), None)

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        return await self._tell(order_no, lambda shop: shop.prove_owner(order_no, proof), None)

    async def contact_of(self, order_no: str) -> Reply[Contact]:
        """Of the shop that has the order; of what is no order, what the first shows that can."""
        if self._only:
            return await self._only.contact_of(order_no)
        answers = await self._ask(_with(order_no, lambda shop: shop.contact_of(order_no)))
        ordered = sorted(answers, key=lambda answer: not answer[0])
        return next((reply for _, reply in ordered if reply.answer == Answer.DONE), Reply(Answer.UNSUPPORTED))

    async def check_code(self, order_no: str, code: str) -> CodeCheck:
        return await self._tell(order_no, lambda shop: shop.check_code(order_no, code), CodeCheck(Verdict.OTHER))

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        none: Reply[Origin] = Reply(Answer.REFUSED, note="no such order")
        return await self._tell(order_no, lambda shop: shop.origin_of(order_no, fingerprint), none)

    async def _tell(self, order_no: str, call: Callable[[Shop], Awaitable[Value]], otherwise: Value) -> Value:
        """What the shop that has the order answers. Where there is one shop, it knows itself what it has."""
        if self._only:
            return await call(self._only)
        answers = await self._ask(_with(order_no, call))
        return next((answer for is_found, answer in answers if is_found), otherwise)

    async def _ask(self, ask: Callable[[Shop], Awaitable[tuple[bool, Value]]]) -> list[tuple[bool, Value]]:
        """What each shop answers, up to the first that has the order; all are asked, so that the time tells nothing.

        Raises `ShopDown` when that of one comes first.
        """

        async def hear(shop: Shop) -> tuple[bool, Value] | ShopDown:
            try:
                return await ask(shop)
            except ShopDown as down:
                return down

        answers = []
        for answer in await asyncio.gather(*map(hear, self._shops.values())):
            if isinstance(answer, ShopDown):
                raise answer
            answers.append(answer)
            if answer[0]:
                break
        return answers


def _with(order_no: str, call: Callable[[Shop], Awaitable[Value]]) -> Callable[[Shop], Awaitable[tuple[bool, Value]]]:
    """What a shop answers, and whether it has the order: that takes as long for one that nobody has."""

    async def ask(shop: Shop) -> tuple[bool, Value]:
        return await asyncio.gather(shop.has_order(order_no), call(shop))

    return ask
