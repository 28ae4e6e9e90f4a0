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

    def find(self, name: str) -> Shop | None:
        """The shop of this name."""
        return self._shops.get(name)

    async def close(self) -> None:
        """Let go of what they hold open."""
        for shop in self._shops.values():
            await shop.close()

    async def find_order(self, order_no: str) -> Order | None:
        found = await self._first_with(order_no, _nothing)
        return found[0] if found else None

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        return await self._tell(order_no, lambda shop: shop.prove_owner(order_no, proof), None)

    async def contact_of(self, order_no: str) -> Reply[Contact]:
        """Of the shop that has the order; of what is no order, what the first shows that can."""
        if self._only:
            return await self._only.contact_of(order_no)
        answers = await self._ask(order_no, lambda shop: shop.contact_of(order_no))
        ordered = sorted(answers, key=lambda answer: answer[0] is None)
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
        found = await self._first_with(order_no, call)
        return found[1] if found else otherwise

    async def _first_with(self, order_no: str, call: Callable[[Shop], Awaitable[Value]]) -> tuple[Order, Value] | None:
        """The first shop's order of this number, and what that shop answers."""
        for order, answer in await self._ask(order_no, call):
            if order is not None:
                return order, answer
        return None

    async def _ask(self, order_no: str, call: Callable[[Shop], Awaitable[Value]]) -> list[tuple[Order | None, Value]]:
        """What each shop answers, up to the first that has the order; all are asked, so that the time tells nothing.

        Raises `ShopDown` when that of one comes first.
        """

        async def ask(shop: Shop) -> tuple[Order | None, Value] | ShopDown:
            try:
                order, answer = await asyncio.gather(shop.find_order(order_no), call(shop))
            except ShopDown as down:
                return down
            return order, answer

        answers = []
        for answer in await asyncio.gather(*map(ask, self._shops.values())):
            if isinstance(answer, ShopDown):
                raise answer
            answers.append(answer)
            if answer[0] is not None:
                break
        return answers


async def _nothing(_shop: Shop) -> None:
    return None
