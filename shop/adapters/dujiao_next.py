"""dujiao-next (独角数卡 Next), by the interface of its admin pages; facts that a release does not have are left out.

It answers errors with HTTP 200 and a `status_code` of its own. Guest passwords it never shows: whether one is right,
it is asked as a guest asks. Orders of several goods are split into child orders, each with its own delivery.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote

from shop.adapters.dujiao_next_shapes import (
    Bought,
    Envelope,
    Named,
    Procurement,
    Refunded,
    Shown,
    Stats,
    Token,
)
from shop.adapters.foreign import NOBODYS, Sold, minor, plain_secret
from shop.adapters.local import TAIL
from shop.adapters.remote import Heard, SignedInShop
from shop.delivered import read_delivered
from shop.errors import BadCredentials, ShopDown, StrangeAnswer
from shop.masking import find_codes, normalise_code
from shop.port import Answer, Goods, Order, OrderStatus, Origin, Power, ProofWay, Reply, Stock

ADMIN, GUEST = "/api/v1/admin", "/api/v1/guest/orders"
NOBODY = "nobody@example.com"
LONGEST_PROOF = 200  # characters
_STATUSES: Mapping[str, OrderStatus] = {
    "pending_payment": OrderStatus.UNPAID,
    "paid": OrderStatus.PAID_UNDELIVERED,
    "fulfilling": OrderStatus.PAID_UNDELIVERED,
    "partially_delivered": OrderStatus.PARTIAL,
    "delivered": OrderStatus.DELIVERED,
    "completed": OrderStatus.DELIVERED,
    "canceled": OrderStatus.CLOSED,
    "expired": OrderStatus.CLOSED,
    "refunded": OrderStatus.REFUNDED,
}


class _Style(Enum):
    """How a release wants to be asked for a guest's order."""

    HEADER = "header"
    QUERY = "query"
    BY_NUMBER = "by number"


class DujiaoNext(SignedInShop):
    """`shop.port.Shop` on a dujiao-next. Its account needs to read orders, card secrets and procurement orders."""

    refunded_by = "退款：独角数卡后台 → 订单 → 退款 (refund in the shop's admin pages)"
    powers = SignedInShop.powers | {Power.STOCK, Power.ORIGIN, Power.REFUND}
    _style: _Style | None = None  # nobody had to know yet

    async def examine(self) -> None:
        """Every page that its account has to be let into."""
        await super().examine()
        await self._get("/card-secrets/stats", product_id="1")
        await self._get("/procurement-orders", order_no=NOBODYS)
        if Power.REFUND in self.writes:
            await self._get("/order-refunds", order_no=NOBODYS)

    async def read(self, order_no: str) -> Sold | None:
        """Two requests, and one more for a delivery of more than a hundred lines."""
        found = await self._look_up(order_no)
        return await self._as_sold(found) if found else None

    async def vouch(self, sold: Sold | None, proof: str) -> ProofWay | None:
        proof = plain_secret(proof).encode(errors="replace").decode()
        if not proof or len(proof) > LONGEST_PROOF or "\n" in proof:
            return None
        if sold is None or ProofWay.QUERY_PASSWORD not in sold.secrets:
            await self._is_shown(self._style or _Style.HEADER, NOBODYS, NOBODY, proof)
            return None
        number, address = sold.order.order_no, sold.order.contact
        self._style = self._style or await self._find_style(number, address)
        if self._style is None:
            return None
        return ProofWay.QUERY_PASSWORD if await self._is_shown(self._style, number, address, proof) else None

    async def stock(self, sku: str) -> Reply[Stock]:
        product, _, kind = sku.partition("-")
        if not (product.isdecimal() and (kind or "0").isdecimal()):
            return Reply(Answer.REFUSED, note="no such product")
        facts = {"product_id": product} | ({"sku_id": kind} if kind else {})
        heard, data = await self._get("/card-secrets/stats", **facts)
        stats = heard.as_a(Stats, data) if data else Stats(total=0, available=0)
        return (
            Reply(Answer.DONE, Stock(stats.available)) if stats.total else Reply(Answer.REFUSED, note="no such product")
        )

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        """Of goods from another shop: which one. Of its own stock its interface finds a code by its text only."""
        found = await self._look_up(order_no)
        for part in found.parts if found else ():
            codes = await self._codes(part)
            if fingerprint in map(self._vault.fingerprint, codes):
                return await self._origin(part, len(codes))
        return Reply(Answer.REFUSED, note="no such code in this order")

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        """To the wallet of a member, where the shop can say whether it did it before; else by hand."""
        by_hand = await super().refund(order_no, amount, key)
        found = await self._look_up(order_no) if Power.REFUND in self.writes else None
        if found is None or not found.user_id or found.children:
            return by_hand
        done = await self._refunds(found)
        if done is None:
            return by_hand
        remark = f"Kadesk {key}"
        if before := next((one for one in done if one.remark == remark), None):
            return Reply(Answer.DONE, str(before.id))
        body = {"amount": f"{Decimal(amount) / 100:.2f}", "remark": remark}
        path = f"{ADMIN}/orders/{found.id}/refund-to-wallet"
        heard = await self._enter(lambda headers: self.site.write("POST", path, json=body, headers=headers))
        envelope = self._open(heard)
        if envelope.status_code != 0:
            return by_hand
        refunded = heard.as_a(Refunded, envelope.data)
        record = refunded.refund_record or refunded.transaction
        return Reply(Answer.DONE, str(record.id) if record else "")

    async def _refunds(self, found: Bought) -> list[Named] | None:
        """Its refunds so far; None from a release that does not list them."""
        heard, data = await self._get("/order-refunds", order_no=found.order_no, page_size="100")
        return [heard.as_a(Named, one) for one in data] if isinstance(data, list) else None

    async def _look_up(self, order_no: str) -> Bought | None:
        number = normalise_code(order_no)
        heard, data = await self._get("/orders", order_no=number, page_size="20")
        listed = [heard.as_a(Named, one) for one in (data if isinstance(data, list) else [])]
        order_id = next((one.id for one in listed if normalise_code(one.order_no) == number), 0)
        heard, data = await self._get(f"/orders/{order_id}")  # 0 too: what is no order costs what an order costs
        return heard.as_a(Bought, data) if order_id and data else None

    async def _as_sold(self, found: Bought) -> Sold:
        items = [item for part in found.parts for item in part.items] or list(found.items)
        if not items:
            raise StrangeAnswer(shop=self.name, problem="not as known: items")
        codes = [code for part in found.parts for code in await self._codes(part)]
        failed = any(read_delivered(one.payload, self.ground.failures).failure for one in found.fulfillments)
        delivered = [at for one in found.fulfillments if (at := self.ground.aware(one.delivered_at))]
        names = dict.fromkeys(item.name for item in items)
        currency = found.currency or self.ground.currency
        order = Order(
            shop=self.name,
            order_no=found.order_no,
            status=OrderStatus.ABNORMAL if failed and not codes else _status(found, codes),
            goods=Goods(items[0].sku, " + ".join(names), minor(items[0].unit_price), currency, self.ground.warranty),
            quantity=sum(item.quantity for item in items),
            paid=minor(found.total_amount) if found.paid_at else 0,
            refunded=minor(found.refunded_amount),
            paid_at=self.ground.aware(found.paid_at),
            delivered_at=max(delivered, default=None),
            contact=found.address,
            bought_from=found.client_ip,
        )
        return Sold(order, tuple(codes), secrets=_secrets(found))

    async def _codes(self, part: Bought) -> Sequence[str]:
        """Of what a person delivered, the lines that look like codes."""
        fulfillment = part.fulfillment
        if fulfillment is None or fulfillment.status != "delivered":
            return ()
        payload = await self._download(part) if fulfillment.is_cut else fulfillment.payload
        codes = read_delivered(payload, self.ground.failures).codes
        return [code for code in codes if fulfillment.type != "manual" or find_codes(code)]

    async def _download(self, part: Bought) -> str:
        path = f"{ADMIN}/orders/{part.id}/fulfillment/download"
        heard = await self._enter(lambda headers: self.site.read("GET", path, headers=headers))
        if heard.status != 200 or not heard.headers.get("Content-Type", "").startswith("text/plain"):
            raise StrangeAnswer(shop=self.name, problem="a long delivery that cannot be downloaded")
        return heard.body.decode(errors="replace")

    async def _origin(self, part: Bought, codes: int) -> Reply[Origin]:
        heard, data = await self._get("/procurement-orders", order_no=part.order_no)
        listed = [heard.as_a(Procurement, one) for one in (data if isinstance(data, list) else [])]
        bought = next((one for one in listed if one.local_order_no == part.order_no), None)
        if bought is None:
            return Reply(Answer.REFUSED, note="of its own stock: the shop does not tell its batch")
        is_ours = (bought.upstream_currency or part.currency) == part.currency
        cost = minor(bought.upstream_amount) // codes if bought.upstream_amount is not None and is_ours else None
        supplier = bought.connection.name or f"#{bought.connection_id}"
        return Reply(Answer.DONE, Origin(supplier, cost=cost, order_no=bought.upstream_order_no))

    async def _find_style(self, number: str, address: str) -> _Style | None:
        """The first in which a password that nobody has opens nothing: some releases show the order to everybody."""
        for style in _Style:
            if await self._is_shown(style, number, address, secrets.token_hex()) is False:
                return style
        return None

    async def _is_shown(self, style: _Style, number: str, address: str, password: str) -> bool | None:
        """Whether the order is shown to this guest; None when the release cannot be asked so."""
        path = f"{GUEST}/{'by-order-no/' if style == _Style.BY_NUMBER else ''}{quote(number, safe='')}"
        if style == _Style.HEADER:
            words = base64.urlsafe_b64encode(f"{address}\n{password}".encode(errors="replace")).decode()
            parts: dict[str, Any] = {"headers": {"Authorization": "Guest " + words.rstrip("=")}}
        else:
            parts = {"params": {"email": address, "order_password": password}}
        heard = await self.site.read("GET", path, **parts)
        if heard.status != 200:
            return None
        envelope = self._open(heard)
        if envelope.status_code == 0:
            shown = heard.as_a(Shown, envelope.data).order_no
            return normalise_code(shown) == normalise_code(number)
        return False if envelope.status_code == 404 else None

    async def _sign_in(self) -> str:
        account = {"username": self._user, "password": self._password}
        heard = await self.site.read("POST", f"{ADMIN}/login", json=account)
        envelope = self._open(heard)
        if envelope.status_code != 0:
            problem = f"it answers {envelope.status_code} to our user and password"
            raise BadCredentials(shop=self.name, problem=problem)
        token = heard.as_a(Token, envelope.data).token
        if not token:
            problem = "it asks for a second factor: give Kadesk an account of its own without one"
            raise BadCredentials(shop=self.name, problem=problem)
        return token

    async def _get(self, path: str, **params: str) -> tuple[Heard, Any]:
        """What the admin pages get; None for what is not there. Raises `ShopDown`."""
        heard = await self._enter(lambda headers: self.site.read("GET", ADMIN + path, params=params, headers=headers))
        envelope = self._open(heard)
        if envelope.status_code == 403:
            raise BadCredentials(shop=self.name, problem=f"its account for Kadesk may not read {path.split('/')[1]}")
        if envelope.status_code not in (0, 400, 404):
            raise ShopDown(shop=self.name)
        return heard, envelope.data if envelope.status_code == 0 else None

    async def _enter(self, ask: Callable[[dict[str, str]], Awaitable[Heard]]) -> Heard:
        return await self._door.enter(
            lambda token: ask({"Authorization": f"Bearer {token}"}), lambda heard: self._open(heard).status_code == 401
        )

    def _open(self, heard: Heard) -> Envelope:
        """Its own status beside what it carries; HTTP's where it has none."""
        if heard.status != 200 or heard.headers.get("Content-Type", "").startswith("text/plain"):
            return Envelope(status_code=0 if heard.status == 200 else heard.status)
        return heard.as_a(Envelope, heard.json())


def _status(found: Bought, codes: Sequence[str]) -> OrderStatus:
    """Of a status that a newer release may have brought: by what is there."""
    by_facts = OrderStatus.DELIVERED if codes else OrderStatus.PAID_UNDELIVERED if found.paid_at else OrderStatus.UNPAID
    return _STATUSES.get(found.status, by_facts)


def _secrets(found: Bought) -> Mapping[ProofWay, str]:
    known = {}
    if found.guest_email and not found.user_id:
        known[ProofWay.QUERY_PASSWORD] = ""  # only the shop can compare it
    paid = [one.provider_ref for one in found.payments if one.status == "success"]
    # Some providers give our own order number back: no secret.
    strange = [ref for ref in paid if normalise_code(ref)[-TAIL:] not in normalise_code(found.order_no)]
    if strange:
        known[ProofWay.PAYMENT_TAIL] = strange[0]
    return known
