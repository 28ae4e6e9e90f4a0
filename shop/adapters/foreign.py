"""What all foreign shops have in common: an adapter reads one order, and this makes of it what the port promises."""

import hmac
import logging
import string
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, literal
from sqlalchemy import select as rows_of
from sqlalchemy.sql.expression import TableClause
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.adapters.connection import ShopDatabase
from shop.adapters.local import TAIL, Readable
from shop.adapters.recent import Recent
from shop.addresses import find_address, mask_address
from shop.codes import read_code
from shop.comparing import compare
from shop.delivered import FAILURES, refer
from shop.errors import ShopDown, StrangeAnswer
from shop.masking import normalise_code
from shop.port import Answer, CodeCheck, CodeRef, Contact, Goods, Order, Power, Powerless, ProofWay, Reply, Verdict
from shop.tables import Code, Product, Proof, Replacement, WarrantyFrom
from shop.vault import Vault

log = logging.getLogger(__name__)

NOBODYS = "KADESKCHECK00000"  # an order number that no shop gives
LONGEST = 64  # characters of an order number
# Behind what has no address; a stranger sees the mask of one of these.
_COMMON = ("qq.com", "163.com", "gmail.com", "126.com", "outlook.com", "foxmail.com")


_TERMS = ("warranty", "warranty_from", "proof", "return_within")
# Made once and of plain columns, as it is asked for every order. The subquery gives it a row where nothing is ours.
_OURS = (
    rows_of(*(col(getattr(Product, name)) for name in ("id", *_TERMS)), col(Code.fingerprint), col(Code.masked))
    .select_from(rows_of(literal(1)).subquery())
    .outerjoin(Product, (col(Product.shop) == bindparam("shop")) & (col(Product.sku) == bindparam("sku")))
    .outerjoin(
        Replacement,
        (col(Replacement.shop) == bindparam("shop")) & (col(Replacement.order_no) == bindparam("order_no")),
    )
    .outerjoin(Code, col(Code.id) == col(Replacement.code_id))
    .order_by(col(Replacement.id))
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What the settings say of a shop, and what of ours its adapter stands on."""

    name: str
    own: Readable
    vault: Vault
    zone: ZoneInfo
    currency: str
    warranty: timedelta
    failures: Sequence[str] = FAILURES
    kept: timedelta = timedelta(0)  # that an order counts as just read: the time of one message

    def aware(self, naive: datetime | None) -> datetime | None:
        """A time as the shop wrote it, in UTC; MySQL's "0000-00-00" is none, and comes as text."""
        if not isinstance(naive, datetime):
            return None
        try:
            return (naive if naive.tzinfo else naive.replace(tzinfo=self.zone)).astimezone(UTC)
        except OverflowError:  # the year 1, as some shops write "never"
            return None

    def goods(self, sku: object, name: str, price: Decimal | str | float) -> Goods:
        return Goods(str(sku), name, minor(price), self.currency, self.warranty)


@dataclass(frozen=True, slots=True)
class Sold:
    """An order as its shop has it. `order.codes` is empty: it is made of `codes`."""

    order: Order
    codes: tuple[str, ...] = field(default=(), repr=False)
    reusable: frozenset[str] = frozenset()  # fingerprints of those that many orders may hold
    secrets: Mapping[ProofWay, str] = field(default_factory=dict, repr=False)  # that its owner knows; "": see `vouch`
    hidden: tuple[CodeRef, ...] = ()  # codes that the shop alone can compare: see `recognise`; they come after `codes`


class ForeignShop(Powerless, ABC):
    """`shop.port.Shop` on orders that somebody else's software keeps.

    It does not know the replacements that we issued: they are added from our ledger. What our own `product` table says
    of its goods (warranty, evidence, return) counts before what the settings say of all.
    """

    powers = frozenset({Power.PROVE_OWNER, Power.CONTACT, Power.LIST_CODES, Power.CHECK_CODE})

    def __init__(self, ground: Ground) -> None:
        self.name = ground.name
        self.ground = ground
        self._own = ground.own
        self._vault = ground.vault
        self._recent = Recent[Sold | None](ground.kept)

    async def examine(self) -> None:
        """Read an order that is none, to see that the shop answers as its kind does. Raises `ShopDown`."""
        await self.read(NOBODYS)

    @abstractmethod
    async def read(self, order_no: str) -> Sold | None:
        """The order with this number: as typed, in half width and without blanks. Raises `ShopDown`.

        `normalise_code` makes of it what most shops' numbers are: upper case, without dashes.
        """

    async def has_order(self, order_no: str) -> bool:
        return await self._find(order_no) is not None

    async def find_order(self, order_no: str) -> Order | None:
        sold = await self._find(order_no)
        return await self._complete(sold) if sold else None

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        """One look-up, one comparison for each way and one `vouch`, whether the order exists or not."""
        sold = await self._find(order_no)
        secrets = sold.secrets if sold else {}
        number = secrets.get(ProofWay.PAYMENT_TAIL, "")
        fits = {
            ProofWay.QUERY_PASSWORD: self._is_same(
                plain_secret(proof), plain_secret(secrets.get(ProofWay.QUERY_PASSWORD, ""))
            ),
            ProofWay.PAYMENT_TAIL: self._is_same(normalise_code(proof)[-TAIL:], normalise_code(number)[-TAIL:])
            and len(normalise_code(proof)) >= TAIL,
        }
        vouched = await self.vouch(sold, proof)
        return next((way for way, is_fit in fits.items() if is_fit and secrets.get(way)), vouched)

    async def vouch(self, sold: Sold | None, proof: str) -> ProofWay | None:
        """The way in which the shop itself says that `proof` opens the order, where the shop alone can compare.

        Asked for unknown orders too, and has to cost the same for them.
        """
        return None

    async def recognise(self, sold: Sold, code: str) -> CodeRef | None:
        """Which of the `hidden` codes of an order this is, where the shop alone can compare."""
        return None

    async def contact_of(self, order_no: str) -> Reply[Contact]:
        sold = await self._find(order_no)
        address = find_address(sold.order.contact if sold else "")
        return Reply(Answer.DONE, Contact(mask_address(address or self._stand_in(order_no)), address or ""))

    async def check_code(self, order_no: str, code: str) -> CodeCheck:
        sold = await self._find(order_no)
        if sold is None:
            return CodeCheck(Verdict.OTHER)
        codes = [*zip(refer(self._vault, sold.codes, sold.reusable), sold.codes, strict=True)]
        check = compare(code, codes)
        if check.verdict == Verdict.EXACT:
            return check
        if sold.hidden and (known := await self.recognise(sold, code)):
            return CodeCheck(Verdict.EXACT, known)
        async with self._own.reading() as session:
            _, issued = await self._ours(session, sold)
            ours = {ref.fingerprint: ref for ref in issued}
            rows = (await session.exec(select(Code).where(col(Code.fingerprint).in_(ours)))).all() if ours else ()
        return compare(code, [*codes, *((ours[row.fingerprint], read_code(self._vault, row)) for row in rows)])

    async def _find(self, order_no: str) -> Sold | None:
        number = "".join(unicodedata.normalize("NFKC", order_no).split())
        try:
            fits = 0 < len(normalise_code(number)) <= LONGEST
            return await self._recent.ask(number, self.read) if fits else None
        except ShopDown as down:
            if type(down) is not ShopDown:  # the buyer only hears that it does not answer; its owner must know why
                log.error("%s", down)
            raise
        except (ArithmeticError, ValueError):  # its words may hold what stood there
            odd = StrangeAnswer(shop=self.name, problem="a sum, a number or a text of the order cannot be one")
            log.error("%s", odd)
            raise odd from None

    async def _complete(self, sold: Sold) -> Order:
        order, codes = sold.order, (*refer(self._vault, sold.codes, sold.reusable), *sold.hidden)
        async with self._own.reading() as session:
            terms, issued = await self._ours(session, sold)
        return replace(
            order,
            codes=(*codes, *issued),
            goods=_on_terms(order.goods, terms),
            paid=max(0, order.paid),  # a coupon may have been worth more than the goods
            ways=frozenset(sold.secrets),
        )

    async def _ours(self, session: AsyncSession, sold: Sold) -> tuple[Any, list[CodeRef]]:
        """Our terms of its goods, and the replacements issued for it, oldest first."""
        facts = {"shop": self.name, "order_no": sold.order.order_no, "sku": sold.order.goods.sku}
        found = (await (await session.connection()).execute(_OURS, facts)).all()
        issued = [(row.fingerprint, row.masked) for row in found if row.fingerprint is not None]
        refs = [CodeRef(*one, position) for position, one in enumerate(issued, len(sold.codes) + len(sold.hidden) + 1)]
        return found[0] if found[0].id is not None else None, refs

    def _is_same(self, one: str, other: str) -> bool:
        """Whether two texts are the same, in a time that tells nothing of either."""
        hashes = [self._vault.keyed_hash("proof", text) for text in (one, other)]
        return hmac.compare_digest(*hashes)

    def _stand_in(self, order_no: str) -> str:
        """An address by a hash that nobody can compute."""
        number = int(self._vault.keyed_hash("stand-in", f"{self.name}/{normalise_code(order_no)}"), 16)
        letter = string.ascii_lowercase[number % len(string.ascii_lowercase)]
        return f"{letter}@{_COMMON[number // 26 % len(_COMMON)]}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a user sees of a shop's tables; columns are called "table.column"."""

    missing: Sequence[str]  # that are read, and are not there or may not be read
    grants: Sequence[str]  # what lets us read these
    spared: Sequence[str]  # that would be read, and are done without where they are not there
    tables: Sequence[str]  # all that there are


class DatabaseShop(ForeignShop):
    """A foreign shop whose tables are read."""

    tables: Sequence[TableClause] = ()  # with all columns that it reads, and no others

    def __init__(self, ground: Ground, url: str, *, seconds: float) -> None:
        super().__init__(ground)
        self.database = ShopDatabase(ground.name, url, seconds=seconds)

    async def find_tables(self) -> Sequence[TableClause]:
        """Of `tables`, those of the edition at hand, for adapters that know several. Raises `ShopDown`."""
        return self.tables

    async def look(self) -> "Seen":
        """What of its tables is there for this user. Raises `ShopDown`."""
        there, needed = await self.database.columns(), await self.find_tables()
        lacking = [(table, _names_beyond(table, there)) for table in needed]
        spared = {name for table in self.tables for name in _names_beyond(table, there)}
        return Seen(
            missing=[name for _, names in lacking for name in names],
            grants=[self.database.grant(table) for table, names in lacking if names],
            spared=sorted(spared.difference(*(names for _, names in lacking))),
            tables=sorted(there),
        )

    @property
    def grants(self) -> list[str]:
        """What the owner of the database runs there for a user who may do nothing yet."""
        return [self.database.grant(table) for table in self.tables]

    async def close(self) -> None:
        await self.database.close()


def _names_beyond(table: TableClause, there: Mapping[str, frozenset[str]]) -> list[str]:
    """The columns of a table that are not there."""
    seen = there.get(table.name, frozenset())
    return [f"{table.name}.{column.name}" for column in table.columns if column.name not in seen]


def minor(amount: Decimal | str | float | None) -> int:
    """Yuan as the shop writes them ("48.50") in fen."""
    return int((Decimal(str(amount or 0)) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def plain_secret(secret: str) -> str:
    """A proof as buyers type it, in half width and without blanks around it."""
    return unicodedata.normalize("NFKC", secret).strip()


def _on_terms(goods: Goods, terms: Any) -> Goods:
    if terms is None:
        return goods
    return replace(
        goods,
        warranty=terms.warranty,
        warranty_from=WarrantyFrom(terms.warranty_from),
        proof=Proof(terms.proof),
        return_within=terms.return_within,
    )
