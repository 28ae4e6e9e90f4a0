"""Suppliers on the `api.php` interface of 卡盟 wholesale systems: our orders there, complaints and their answers.

A form is posted to buyer/…, signed with the lower-case MD5 of account, number asked about and key; the answer is JSON
with a code. The interface refuses calls that are less than ten seconds apart. Its messages are read nowhere but in the
answer to a complaint, and there without anything that may be a code.
"""

import asyncio
import hashlib
import re
import time
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pydantic import AliasChoices, Field, field_validator

from shop.adapters.foreign import NOBODYS
from shop.adapters.remote import Heard, Shape, ShopSite, Wire
from shop.errors import BadCredentials, NothingToSignIn, ShopDown, StrangeAnswer
from shop.port import Answer, Reply
from shop.supplier_port import Bought, Said

SECONDS = 10.0
APART = 10.5  # seconds between two calls: ten, and what their clock may be off
LONGEST_REMARK = 300  # characters
OK, TOO_SOON, NO_ORDER, UNSURE = 1000, 1004, 1010, 2001
OVER = (4, 5)  # of an order: failed, refunded
SOLVED, HOPELESS = 3, 4  # of a complaint; 1 and 2: they have not decided
PROBLEMS = {
    403: "it lets nobody in",
    1003: "it does not accept our signature; is the key right?",
    1006: "it does not know the account",
    1007: "it has blocked the account",
    1009: "the account may not use its interface (进货接口)",
}
# "Solved" is one number for both; an answer that has words of both, or of none, says neither.
_REPLACED = re.compile("补卡|补发|补货|已补|换卡|换货|更换|重发|replac|reissu|resen[dt]", re.IGNORECASE)
_PAID_BACK = re.compile("退款|退钱|退回|退还|返还|返款|已退|退余额|refund|paid back|credit", re.IGNORECASE)
# Codes of replacements come in such messages: whatever is four visible ASCII characters long, blanks between or not.
_CODE = re.compile(r"[!-~](?:[ ]{0,2}[!-~]){3,}")
_INVISIBLE = re.compile(r"[^\S\n]|[\u200b-\u200f\u2060\ufeff\u00ad]")


class _Head(Wire):
    code: int = Field(validation_alias=AliasChoices("code", "resultcode"))
    data: Any = None


class _Card(Wire):
    card_no: str = ""
    card_password: str = ""


class _Order(Wire):
    ostatus: int
    cards: Sequence[_Card] = ()

    @field_validator("cards", mode="before")
    @classmethod
    def _none(cls, content: Any) -> Any:
        return content or ()  # PHP writes "nothing" in several ways


class _Filed(Wire):
    comid: str = Field(validation_alias=AliasChoices("comid", "id"), pattern=r"^[0-9A-Za-z_-]{1,40}$")
    subject: str = ""


class _Decided(Wire):
    status: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer in which there is a code."""

    code: int
    heard: Heard
    content: Any = field(repr=False)

    def as_a(self, shape: type[Shape]) -> Shape:
        return self.heard.as_a(shape, self.content)

    @property
    def rows(self) -> list[dict[str, Any]]:
        found = self.content.get("list") if isinstance(self.content, dict) else self.content
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


class SupplierApi:
    """`shop.supplier_port.SupplierSite` on api.php; `url` ends with it. Calls are `apart` by so many seconds."""

    def __init__(
        self, name: str, url: str, account: str, key: str, *, seconds: float = SECONDS, apart: float = APART
    ) -> None:
        if not (account and key):
            raise NothingToSignIn(shop=name, names="account and key")
        self.name = name
        self._site = ShopSite(name, url, seconds=seconds)
        self._account, self._key = account, key
        self._apart, self._free_at = apart, 0.0
        self._one = asyncio.Lock()

    async def examine(self) -> None:
        """Ask for an order that nobody has. Raises `ShopDown`."""
        await self.find_order(NOBODYS)

    async def find_order(self, order_no: str) -> Bought | None:
        told = await self._ask("buyer/orderInfo", "orderno", order_no)
        if told.code == NO_ORDER:
            return None
        order = self._require_ok(told).as_a(_Order)
        pairs = [(card.card_no, card.card_password) for card in order.cards]
        written = {way for number, password in pairs for way in (number, password, number + password) if way}
        return Bought(order.ostatus in OVER, tuple(sorted(written)))

    async def complain(self, order_no: str, subject: str, content: str) -> Reply[str]:
        more = {"subject": subject, "content": content}
        told = await self._ask("buyer/addComplain", "orderno", order_no, more, is_write=True)
        if told.code == UNSURE:
            raise StrangeAnswer(shop=self.name, problem="it does not know itself whether it took the complaint")
        if told.code != OK:
            return Reply(Answer.REFUSED, note=str(told.code))
        try:
            return Reply(Answer.DONE, told.as_a(_Filed).comid)
        except StrangeAnswer:  # it was taken all the same
            return Reply(Answer.DONE, "")

    async def find_complaint(self, subject: str) -> str:
        told = self._require_ok(await self._ask("buyer/complainList"))
        mine = (row for row in told.rows if subject in str(row.get("subject")))
        return next((told.heard.as_a(_Filed, row).comid for row in mine), "")

    async def find_answer(self, number: str) -> Said | None:
        told = self._require_ok(await self._ask("buyer/complainInfo", "comid", number))
        decided = told.as_a(_Decided)
        if decided.status not in (SOLVED, HOPELESS):
            return None
        is_solved, words = decided.status == SOLVED, decided.message
        is_replaced = is_solved and bool(_REPLACED.search(words)) and not _PAID_BACK.search(words)
        return Said(is_solved, without_codes(words)[:LONGEST_REMARK], is_replaced)

    async def close(self) -> None:
        await self._site.close()

    async def _ask(
        self,
        path: str,
        name: str = "",
        value: str = "",
        more: Mapping[str, str] = MappingProxyType({}),
        *,
        is_write: bool = False,
    ) -> _Told:
        """What it answers; asked once more where it says that we came too soon, and so did nothing."""
        sign = hashlib.md5(f"{self._account}{value}{self._key}".encode(), usedforsecurity=False).hexdigest()
        form = {"customerid": self._account, **({name: value} if name else {}), **more, "sign": sign}
        call = self._site.write if is_write else self._site.read
        told = await self._call(call, path, form)
        return told if told.code != TOO_SOON else await self._call(call, path, form)

    async def _call(self, call: Callable[..., Awaitable[Heard]], path: str, form: Mapping[str, str]) -> _Told:
        async with self._one:
            await asyncio.sleep(max(self._free_at - time.monotonic(), 0))
            try:
                heard = await call("POST", f"/{path}", data=form)
            finally:
                self._free_at = time.monotonic() + self._apart
        content = heard.json()
        head = heard.as_a(_Head, content)
        return _Told(head.code, heard, head.data or content)

    def _require_ok(self, told: _Told) -> _Told:
        if told.code in (TOO_SOON, UNSURE):
            raise ShopDown(shop=self.name)
        if told.code in PROBLEMS:
            raise BadCredentials(shop=self.name, problem=PROBLEMS[told.code])
        if told.code != OK:
            raise StrangeAnswer(shop=self.name, problem=f"code {told.code}")
        return told


def without_codes(text: str) -> str:
    """The words of a message; what may be a code of it, or a part of one, is dropped for good."""
    plain = _INVISIBLE.sub(" ", unicodedata.normalize("NFKC", text))
    return _CODE.sub("****", plain).strip()
