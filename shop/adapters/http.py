"""A shop that speaks our own contract: docs/shop-api.yaml, with a server of a hundred lines in docs/examples.

Both sides sign with one secret. A request: HMAC-SHA256 of "request", method, path below the url of the settings, time,
idempotency key ("" for reads) and SHA-256 of the body, one a line. An answer: "answer", status, the signature of the
request, time and SHA-256 of the body, so that it answers this request and no other.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from shop.adapters.foreign import NOBODYS, Ground, Sold, plain_secret
from shop.adapters.remote import SECONDS, Heard, RemoteShop, ShopSite, Wire
from shop.delivered import refer
from shop.errors import BadCredentials, NothingToSignIn
from shop.masking import normalise_code
from shop.port import Answer, CodeRef, Goods, Issued, Order, OrderStatus, Origin, Power, ProofWay, Reply, Stock

APART = timedelta(seconds=60)  # that the clocks of both may differ
SHORTEST_SECRET = 32  # characters
SHOWN = 4  # characters of the end of a code
LONGEST_NOTE = 300  # characters of what it tells our staff


class _Code(Wire):
    text: str = ""
    id: str = ""  # of one that the shop keeps only a hash of
    tail: str = ""
    reusable: bool = False
    supplier: str = ""
    batch: str = ""
    cost: int | None = None
    upstream_order_no: str = ""


class _Goods(Wire):
    sku: str
    name: str
    price: int


class _Order(Wire):
    order_no: str
    status: OrderStatus
    goods: _Goods
    quantity: int = Field(ge=1)
    paid: int = Field(ge=0)
    refunded: int = Field(default=0, ge=0)
    currency: str = ""
    paid_at: datetime | None = None
    delivered_at: datetime | None = None
    contact: str = ""
    bought_from: str = ""
    ways: Sequence[Literal["query_password", "payment_tail"]] = ()
    codes: Sequence[_Code] = ()


class _Proved(Wire):
    way: Literal["query_password", "payment_tail"] | None = None


class _Recognised(Wire):
    id: str = ""


class _Stock(Wire):
    for_sale: int
    reserve: int = 0


class _Done(Wire):
    answer: Answer
    note: str = ""
    reference: str = ""
    code: str = ""


class HttpShop(RemoteShop):
    """`shop.port.Shop` on our REST contract.

    Refunds that its owner did not switch on are a person's; the other writes then do not exist.
    """

    refunded_by = "退款：在商店里退款 (pay it back in the shop)"
    powers = RemoteShop.powers | {Power.STOCK, Power.ORIGIN, Power.REFUND}
    writable = frozenset(Power)

    def __init__(
        self,
        ground: Ground,
        url: str,
        secret: str,
        clock: Callable[[], datetime],
        *,
        writes: Collection[str] = (),
        seconds: float = SECONDS,
    ) -> None:
        if len(secret) < SHORTEST_SECRET:
            raise NothingToSignIn(shop=ground.name, names=f"secret of {SHORTEST_SECRET} characters or more")
        super().__init__(ground, ShopSite(ground.name, url, seconds=seconds), writes)
        self._secret = secret.encode()
        self._clock = clock

    async def examine(self) -> None:
        """Every question that changes nothing."""
        await super().examine()
        await self.vouch(None, NOBODYS)
        await self.stock(NOBODYS)

    async def read(self, order_no: str) -> Sold | None:
        found = await self._order(order_no)
        return self._as_sold(found) if found else None

    async def vouch(self, sold: Sold | None, proof: str) -> ProofWay | None:
        number = sold.order.order_no if sold else NOBODYS
        typed = plain_secret(proof).encode(errors="replace").decode()  # half characters stand in no JSON
        heard = await self._ask("POST", _path("orders", number, "prove"), {"proof": typed})
        way = heard.as_a(_Proved, heard.json()).way if heard.status != 404 else None
        return ProofWay(way) if way and sold else None

    async def recognise(self, sold: Sold, code: str) -> CodeRef | None:
        typed = plain_secret(code).encode(errors="replace").decode()
        heard = await self._ask("POST", _path("orders", sold.order.order_no, "check"), {"code": typed})
        known = heard.as_a(_Recognised, heard.json()).id if heard.status != 404 else ""
        return next((ref for ref in sold.hidden if known and ref.fingerprint == self._print_of_id(known)), None)

    async def stock(self, sku: str) -> Reply[Stock]:
        heard = await self._ask("GET", _path("stock", sku))
        if heard.status == 404:
            return Reply(Answer.REFUSED, note="no such product")
        stock = heard.as_a(_Stock, heard.json())
        return Reply(Answer.DONE, Stock(stock.for_sale, stock.reserve))

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        code = await self._code(order_no, fingerprint)
        if code is None or not code.supplier:
            return Reply(Answer.REFUSED, note="the shop knows of no such code")
        return Reply(Answer.DONE, Origin(code.supplier, code.batch, code.cost, code.upstream_order_no))

    async def issue(self, order_no: str, sku: str, key: str) -> Reply[Issued]:
        done = await self._write(Power.ISSUE, order_no, key, {"sku": sku})
        if done.answer != Answer.DONE:
            return Reply(done.answer, note=done.note)
        if not normalise_code(done.code):
            return Reply(Answer.MANUAL, note="the shop says that it gave a code, and gave none")
        return Reply(Answer.DONE, Issued(done.code, done.reference))

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        if Power.REFUND not in self.writes:
            return await super().refund(order_no, amount, key)
        done = await self._write(Power.REFUND, order_no, key, {"amount": amount})
        return Reply(done.answer, done.reference if done.answer == Answer.DONE else None, done.note)

    async def quarantine(self, order_no: str, fingerprint: str) -> Reply[None]:
        if Power.QUARANTINE not in self.writes:
            return Reply(Answer.UNSUPPORTED)
        code = await self._code(order_no, fingerprint)
        if code is None:
            return Reply(Answer.REFUSED, note="the shop knows of no such code")
        which = {"code": code.text} if code.text else {"id": code.id}
        done = await self._write(Power.QUARANTINE, order_no, f"quarantine-{fingerprint}", which)
        return Reply(done.answer, note=done.note)

    async def note(self, order_no: str, text: str) -> Reply[None]:
        key = hashlib.sha256(f"{order_no}/{text}".encode(errors="replace")).hexdigest()
        done = await self._write(Power.NOTE, order_no, f"note-{key}", {"text": text})
        return Reply(done.answer, note=done.note)

    async def _order(self, order_no: str) -> _Order | None:
        number = normalise_code(order_no)
        heard = await self._ask("GET", _path("orders", number))
        found = heard.as_a(_Order, heard.json()) if heard.status != 404 else None
        return found if found and normalise_code(found.order_no) == number else None

    async def _code(self, order_no: str, fingerprint: str) -> _Code | None:
        found = await self._order(order_no)
        codes = found.codes if found else ()
        return next((one for one in codes if self._print_of(one) == fingerprint), None)

    def _print_of(self, code: _Code) -> str:
        return self._vault.fingerprint(code.text) if code.text else self._print_of_id(code.id)

    def _print_of_id(self, code_id: str) -> str:
        """Stands for a code whose text nobody has; of no text, so that it is no typed code's."""
        return self._vault.keyed_hash("hidden code", f"{self.name}/{code_id}")

    async def _write(self, power: Power, order_no: str, key: str, body: dict[str, Any]) -> _Done:
        """What the shop made of it, once per key."""
        if power not in self.writes:
            return _Done(answer=Answer.UNSUPPORTED)
        heard = await self._ask("POST", _path("orders", normalise_code(order_no), power.value), body, key)
        if heard.status == 404:
            return _Done(answer=Answer.REFUSED, note="the shop knows of no such order")
        if heard.status == 405:
            return _Done(answer=Answer.MANUAL, note="switched on, but the shop does not do it by itself")
        done = heard.as_a(_Done, heard.json())
        return done.model_copy(update={"note": done.note[:LONGEST_NOTE]})

    def _as_sold(self, found: _Order) -> Sold:
        ground, goods = self.ground, found.goods
        order = Order(
            shop=self.name,
            order_no=found.order_no,
            status=found.status,
            goods=Goods(goods.sku, goods.name, goods.price, found.currency or ground.currency, ground.warranty),
            quantity=found.quantity,
            paid=found.paid,
            refunded=found.refunded,
            paid_at=ground.aware(found.paid_at),
            delivered_at=ground.aware(found.delivered_at),
            contact=found.contact,
            bought_from=found.bought_from,
        )
        codes = tuple(code.text for code in found.codes if normalise_code(code.text))
        loops = refer(self._vault, [code.text for code in found.codes if code.reusable and code.text])
        ways = {ProofWay(way): "" for way in found.ways}
        return Sold(order, codes, frozenset(loop.fingerprint for loop in loops), ways, self._hidden(found, len(codes)))

    def _hidden(self, found: _Order, before: int) -> tuple[CodeRef, ...]:
        """Its codes without a text, numbered after `before` others; what it tells of their ends is shown."""
        kept = {code.id: code for code in found.codes if code.id and not normalise_code(code.text)}
        shown = {code_id: normalise_code(code.tail)[-SHOWN:] for code_id, code in kept.items()}
        return tuple(
            CodeRef(self._print_of_id(code_id), f"****-{tail}" if tail else "****", before + at, kept[code_id].reusable)
            for at, (code_id, tail) in enumerate(shown.items(), 1)
        )

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, key: str = "") -> Heard:
        content = b"" if body is None else json.dumps(body).encode()
        signed_at = self._clock()
        sign = self._sign("request", method, path, _stamp(signed_at), key, _digest(content))
        headers = {"Kadesk-Time": _stamp(signed_at), "Kadesk-Signature": sign, "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        ask = self.site.write if key else self.site.read
        heard = await ask(method, path, content=content, headers=headers)
        self._verify(heard, sign)
        return heard

    def _verify(self, heard: Heard, sign: str) -> None:
        """Raises `BadCredentials` for an answer that is not the shop's, or not to this request."""
        if heard.status in (401, 403):
            raise BadCredentials(shop=self.name, problem=f"it answers {heard.status} to our signature")
        answered = heard.headers.get("Kadesk-Time", "")
        expected = self._sign("answer", str(heard.status), sign, answered, _digest(heard.body))
        if not hmac.compare_digest(expected.encode(), heard.headers.get("Kadesk-Signature", "").encode()):
            raise BadCredentials(shop=self.name, problem="its answer is not signed with the secret of the settings")
        if abs(self._clock() - _instant(answered)) > APART:
            raise BadCredentials(shop=self.name, problem=f"its clock is more than {APART.seconds} s away from ours")

    def _sign(self, *parts: str) -> str:
        return hmac.digest(self._secret, "\n".join(parts).encode(), "sha256").hex()


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part.encode(errors='replace'), safe='')}" for part in parts)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _stamp(instant: datetime) -> str:
    return str(int(instant.timestamp()))


def _instant(stamp: str) -> datetime:
    """What is no time lies far back."""
    seconds = int(stamp) if stamp.isascii() and stamp.isdigit() and len(stamp) <= 11 else 0
    return datetime.fromtimestamp(seconds, UTC)
