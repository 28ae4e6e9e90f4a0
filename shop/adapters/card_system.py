"""card-system (风铃发卡), by the interface of its admin pages: orders with their cards, sums in fen.

Its token comes in a header, and a new one with any answer. It lists unpaid orders only when asked for every status.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shop.adapters.foreign import Sold
from shop.adapters.local import TAIL
from shop.adapters.remote import Heard, SignedInShop, Wire
from shop.addresses import find_address
from shop.delivered import read_delivered, refer
from shop.errors import BadCredentials, StrangeAnswer
from shop.masking import NOISE, find_codes, normalise_code
from shop.port import Answer, Goods, Order, OrderStatus, Power, ProofWay, Reply, Stock

ADMIN = "/api/admin"
EVERY_STATUS = "0,1,2,3,4"
UNPAID, PAID, SHIPPED, FROZEN, REFUNDED = range(5)
BY_HAND = 1  # how a product is delivered
REPEATED = 1  # the type of a card that many orders get
LONGEST_REMARK = 250  # characters; older releases keep no more


class _Card(Wire):
    id: int = 0
    card: str = ""
    type: int = 0


class _Sold(Wire):
    card: _Card = _Card()


class _Product(Wire):
    id: int = 0
    name: str = ""
    delivery: int = 0
    count_all: int = 0
    count_sold: int = 0


class _Order(Wire):
    id: int
    order_no: str
    product_id: int
    product_name: str = ""
    product: _Product = _Product()
    count: int
    price: int
    paid: int
    status: int
    ip: str = ""
    contact: str = ""
    contact_ext: str = ""
    email: str = ""  # of old releases
    query_password: str = ""
    pay_trade_no: str = ""
    remark: str = ""
    paid_at: datetime | None = None
    updated_at: datetime | None = None
    card_orders: Sequence[_Sold] = ()

    @property
    def address(self) -> str:
        """Its mail address, else whatever the buyer left."""
        try:
            left = json.loads(self.contact_ext or "{}")
        except ValueError:
            left = {}
        mail = left.get("_mail") if isinstance(left, dict) else ""
        known = [text for text in (self.contact, self.email, mail) if isinstance(text, str) and text]
        return next(filter(find_address, known), next(iter(known), ""))


class _Page(Wire):
    data: Sequence[Any] = ()


class _Answer(Wire):
    message: str = ""
    data: Any = None


class CardSystem(SignedInShop):
    """`shop.port.Shop` on a card-system that signs in with tokens."""

    refunded_by = "退款：在收款的支付平台退款 (refund where it was paid)"
    powers = SignedInShop.powers | {Power.STOCK, Power.REFUND}
    writable = frozenset({Power.NOTE})

    async def examine(self) -> None:
        """Every page that it reads."""
        await super().examine()
        await self._list("product", search="id", val="-1")

    async def read(self, order_no: str) -> Sold | None:
        """Two requests, whether there is such an order or not."""
        found = await self._look_up(order_no)
        cards = [one.card for one in found.card_orders] if found else []
        only = cards[0].id if len(cards) == 1 else 0  # whoever buys a repeated card gets no other
        listed = await self._list("card", search="id", val=str(only or -1))
        types = [heard.as_a(_Card, one) for heard, one in listed]
        is_repeated = any(one.id == only and one.type == REPEATED for one in types)
        return self._as_sold(found, is_repeated) if found else None

    async def stock(self, sku: str) -> Reply[Stock]:
        if not sku.isdecimal():
            return Reply(Answer.REFUSED, note="no such product")
        listed = await self._list("product", search="id", val=sku)
        products = [heard.as_a(_Product, one) for heard, one in listed]
        found = next((one for one in products if one.id == int(sku)), None)
        if found is None:
            return Reply(Answer.REFUSED, note="no such product")
        return Reply(Answer.DONE, Stock(max(0, found.count_all - found.count_sold)))

    async def note(self, order_no: str, text: str) -> Reply[None]:
        """Below what stands in the order's remark; once."""
        if Power.NOTE not in self.writes:
            return Reply(Answer.UNSUPPORTED)
        found = await self._look_up(order_no)
        if found is None:
            return Reply(Answer.REFUSED, note="no such order")
        lines = found.remark.splitlines()
        if text in lines:
            return Reply(Answer.DONE)
        remark = "\n".join([*lines, text])
        if len(remark) > LONGEST_REMARK:
            return Reply(Answer.MANUAL, note=f"备注已满，请在发卡后台记录 (its remark is full): {text}")
        body = {"id": found.id, "remark": remark}
        await self._enter("POST", "order/remark", is_read=False, json=body)
        return Reply(Answer.DONE)

    def _as_sold(self, found: _Order, is_repeated: bool) -> Sold:
        codes, failure = self._codes(found)
        sent_at = found.updated_at if found.product.delivery == BY_HAND else found.paid_at
        name = found.product_name or found.product.name
        order = Order(
            shop=self.name,
            order_no=found.order_no,
            status=OrderStatus.ABNORMAL if failure and not codes else _status(found, codes),
            goods=Goods(
                str(found.product_id),
                name,
                found.price // max(1, found.count),
                self.ground.currency,
                self.ground.warranty,
            ),
            quantity=found.count,
            paid=found.paid if found.status != UNPAID else 0,
            refunded=found.paid if found.status == REFUNDED else 0,
            paid_at=self.ground.aware(found.paid_at),
            delivered_at=self.ground.aware(sent_at) if codes else None,
            contact=found.address,
            bought_from=found.ip,
        )
        loops = refer(self._vault, codes) if is_repeated else ()
        return Sold(order, tuple(codes), frozenset(loop.fingerprint for loop in loops), _secrets(found))

    def _codes(self, found: _Order) -> tuple[Sequence[str], str]:
        """One card is one code; of what a person wrote, the lines that look like codes. And why there are none."""
        texts = [one.card.card.strip() for one in found.card_orders]
        read = [(text, read_delivered(text, self.ground.failures)) for text in texts if normalise_code(text)]
        failure = next((one.failure for _, one in read if one.failure), "")
        if found.product.delivery == BY_HAND:
            return [code for _, one in read for code in one.codes if find_codes(code)], failure
        return [text for text, one in read if not one.failure], failure

    async def _look_up(self, order_no: str) -> _Order | None:
        """Numbers end in letters of both cases; MySQL finds them in any."""
        number = NOISE.sub("", order_no)
        listed = await self._list("order", search="order_no", val=number, status=EVERY_STATUS)
        same = [one for heard, one in listed if _has_number(one, normalise_code(number))]
        exact = [one for one in same if one["order_no"] == number] or same
        return listed[0][0].as_a(_Order, exact[0]) if len(exact) == 1 else None

    async def _list(self, what: str, **asked: str) -> list[tuple[Heard, Any]]:
        """The first of what is found."""
        heard = await self._enter("GET", what, params={**asked, "current_page": "1", "per_page": "10"})
        if heard.status == 405:  # older releases
            heard = await self._enter("POST", what, json={**asked, "current_page": 1, "per_page": 10})
        page = heard.as_a(_Page, self._open(heard).data)
        return [(heard, one) for one in page.data]

    async def _enter(self, method: str, path: str, *, is_read: bool = True, **parts: Any) -> Heard:
        ask = self.site.read if is_read else self.site.write

        async def send(token: str) -> Heard:
            return await ask(method, f"{ADMIN}/{path}", headers={"Authorization": f"Bearer {token}"}, **parts)

        heard = await self._door.enter(send, lambda heard: heard.status == 401)
        self._door.keep(_token(heard))
        if heard.status == 403:
            raise BadCredentials(shop=self.name, problem=f"its account for Kadesk may not read {path}")
        if heard.status not in (200, 405):
            raise StrangeAnswer(shop=self.name, problem=f"{heard.status} when asked for {path}")
        return heard

    async def _sign_in(self) -> str:
        account = {"email": self._user, "password": self._password}
        heard = await self.site.read("POST", f"{ADMIN}/auth/login", json=account)
        if heard.status in (404, 405):
            problem = "this release signs in without tokens: only newer ones can be asked"
            raise BadCredentials(shop=self.name, problem=problem)
        if heard.status not in (200, 201):
            problem = f"it answers {heard.status} to our user and password (switch off the captcha of its login)"
            raise BadCredentials(shop=self.name, problem=problem)
        if not (token := _token(heard)):
            raise StrangeAnswer(shop=self.name, problem="it lets us in without a token")
        return token

    def _open(self, heard: Heard) -> _Answer:
        return heard.as_a(_Answer, heard.json())


def _token(heard: Heard) -> str:
    return heard.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def _has_number(one: Any, number: str) -> bool:
    text = one.get("order_no") if isinstance(one, dict) else None
    return isinstance(text, str) and normalise_code(text) == number


def _status(found: _Order, codes: Sequence[str]) -> OrderStatus:
    """Paid, with a part of the cards: the stock ran out in between."""
    known = {
        UNPAID: OrderStatus.UNPAID,
        PAID: OrderStatus.PARTIAL if codes else OrderStatus.PAID_UNDELIVERED,
        SHIPPED: OrderStatus.DELIVERED,
        FROZEN: OrderStatus.FROZEN,
        REFUNDED: OrderStatus.REFUNDED,
    }
    return known.get(found.status, OrderStatus.ABNORMAL)


def _secrets(found: _Order) -> Mapping[ProofWay, str]:
    known = {ProofWay.QUERY_PASSWORD: found.query_password.strip()}
    # What a provider gave our own number back as is no secret.
    if normalise_code(found.pay_trade_no)[-TAIL:] not in normalise_code(found.order_no):
        known[ProofWay.PAYMENT_TAIL] = found.pay_trade_no
    return {way: secret for way, secret in known.items() if secret}
