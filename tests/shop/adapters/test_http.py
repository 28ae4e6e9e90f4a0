"""Our own contract: who is believed, what is done once, and that its description is what is asked."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shop.adapters import http
from shop.adapters.http import HttpShop
from shop.errors import BadCredentials, NothingToSignIn, StrangeAnswer
from shop.port import Answer, Origin, Power, ProofWay, Verdict
from tests.shop.adapters.conftest import ground
from tests.shop.adapters.http_shop import SECRET, Sale, beside, insert, serving
from tests.shop.adapters.sites import Asked, Mood, Says, Site, answers, any_site
from tests.shop.conftest import Stall

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it hardly touches our own
ORDER_NO, CODE = "AB12CD34EF56GH78", "7K2Q9-XPLM4-TRWE3"
SALE = Sale(ORDER_NO, [CODE], "chen@example.com")


@pytest.fixture
def server() -> Iterator[Any]:
    with serving([SALE], stock=["NEW01-7K2Q9-XPLM4", "NEW02-7K2Q9-XPLM4"]) as server:
        yield server


@pytest.fixture
async def shop(server: Any, stall: Stall) -> AsyncIterator[HttpShop]:
    async with beside(server, stall) as shop:
        yield shop


@pytest.fixture
def site() -> Site:
    any_site().forget()
    return any_site()


async def test_a_shop_with_another_secret_is_not_believed(server: Any, stall: Stall) -> None:
    async with beside(server, stall, secret="another " * 4) as shop:
        with pytest.raises(BadCredentials, match="401"):
            await shop.find_order(ORDER_NO)


async def test_codes_that_only_a_hash_is_kept_of_are_compared_there(server: Any, stall: Stall) -> None:
    hashed = hashlib.sha256(b"7K2Q9-XPLM4-AAAAA").hexdigest()
    with closing(sqlite3.connect(server.shop.path)) as db, db:
        insert(db, "codes", id=77, hash=hashed, order_no=ORDER_NO, sku="50", state="sold", supplier="卡商B")

    async with beside(server, stall) as shop:
        order = await shop.find_order(ORDER_NO)
        typed = ("7k2q9-xplm4-aaaaa ", "7K2Q9-XPLM4-AAAAB", CODE, "77")
        checks = [await shop.check_code(ORDER_NO, code) for code in typed]
        assert order is not None
        origin = await shop.origin_of(ORDER_NO, order.codes[1].fingerprint)
        taken = await shop.quarantine(ORDER_NO, order.codes[1].fingerprint)

    assert [(code.position, code.masked) for code in order.codes] == [(1, "****-RWE3"), (2, "****")]
    assert [check.verdict for check in checks] == [Verdict.EXACT, Verdict.OTHER, Verdict.EXACT, Verdict.OTHER]
    assert [check.code for check in checks[:3:2]] == [order.codes[1], order.codes[0]]
    assert origin.value == Origin("卡商B")
    assert taken.answer == Answer.DONE


@pytest.mark.parametrize("apart", [timedelta(seconds=75), -timedelta(seconds=75)])
async def test_clocks_that_are_apart_are_named(server: Any, stall: Stall, apart: timedelta) -> None:
    async with beside(server, stall, clock=lambda: datetime.now(UTC) + apart) as shop:
        with pytest.raises(BadCredentials):
            await shop.find_order(ORDER_NO)


@pytest.mark.parametrize(
    "mood",
    [
        answers({}, 404),
        answers({}, 404, Kadesk_Time="0", Kadesk_Signature="é"),
        answers({}, Kadesk_Time="x" * 99, Kadesk_Signature="0" * 64),
    ],
    ids=["unsigned", "no signature", "no time"],
)
async def test_nobody_else_can_say_that_there_is_no_such_order(stall: Stall, site: Site, mood: Mood) -> None:
    site.moods.append(mood)
    shop = HttpShop(ground(stall.database, stall.vault), site.url, SECRET, lambda: datetime.now(UTC))

    with pytest.raises(BadCredentials, match="not signed"):
        await shop.find_order(ORDER_NO)
    await shop.close()


async def test_an_answer_to_another_request_is_no_answer(server: Any, stall: Stall, site: Site) -> None:
    """Whoever stands in between gives each question the answer to the first."""
    first: list[Says] = []

    def replay(asked: Asked) -> Says:
        if not first:
            url = f"http://127.0.0.1:{server.server_address[1]}{asked.path}"
            heard = httpx.request(asked.method, url, headers=dict(asked.headers.items()), content=asked.body)
            kept = {name: heard.headers[name] for name in ("Kadesk-Time", "Kadesk-Signature")}
            first.append(Says(heard.text, heard.status_code, kept))
        return first[0]

    site.answer, before = replay, site.answer
    shop = HttpShop(ground(stall.database, stall.vault), site.url, SECRET, lambda: datetime.now(UTC))
    try:
        assert await shop.find_order(ORDER_NO) is not None
        with pytest.raises(BadCredentials):
            await shop.find_order("AB12CD34EF56GH79")
    finally:
        site.answer = before
        await shop.close()


@pytest.mark.parametrize(("apart", "is_believed"), [(0, True), (-75, False), (75, False)])
async def test_a_signed_answer_of_another_time_is_not_believed(
    stall: Stall, site: Site, apart: int, is_believed: bool
) -> None:
    shop = HttpShop(ground(stall.database, stall.vault), site.url, SECRET, lambda: datetime.now(UTC))

    def answer(asked: Asked) -> Says:
        stamp = str(int(datetime.now(UTC).timestamp()) + apart)
        sign = shop._sign("answer", "404", asked.headers["Kadesk-Signature"], stamp, http._digest(b"{}"))
        return Says({}, 404, {"Kadesk-Time": stamp, "Kadesk-Signature": sign})

    site.answer, before = answer, site.answer
    try:
        if is_believed:
            assert await shop.find_order(ORDER_NO) is None
        else:
            with pytest.raises(BadCredentials, match="60 s away"):
                await shop.find_order(ORDER_NO)
    finally:
        site.answer = before
        await shop.close()


async def test_the_shop_refuses_what_was_changed_on_its_way(server: Any, shop: HttpShop, site: Site) -> None:
    url = f"http://127.0.0.1:{server.server_address[1]}"
    asked = {"Kadesk-Time": str(int(datetime.now(UTC).timestamp())), "Idempotency-Key": "key-1"}
    body = b'{"sku": "50"}'
    right = {**asked, "Kadesk-Signature": sign(shop, "POST", f"/orders/{ORDER_NO}/issue", asked, body)}
    old = {**right, "Kadesk-Time": "1"} | {
        "Kadesk-Signature": sign(shop, "POST", f"/orders/{ORDER_NO}/issue", asked | {"Kadesk-Time": "1"}, body)
    }
    changes = [(right, b'{"sku": "60"}'), ({**right, "Idempotency-Key": "key-2"}, body), (old, body), (right, body)]

    async with httpx.AsyncClient(base_url=url) as thief:
        heard = [
            await thief.post(f"/orders/{ORDER_NO}/issue", headers=headers, content=content)
            for headers, content in changes
        ]

    assert [one.status_code for one in heard] == [401, 401, 401, 200]


def sign(shop: HttpShop, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    stamp, key = headers["Kadesk-Time"], headers["Idempotency-Key"]
    return shop._sign("request", method, path, stamp, key, http._digest(body))


async def test_one_key_gets_one_code_and_an_empty_stock_is_said(shop: HttpShop) -> None:
    replies = [await shop.issue(ORDER_NO, "50", key) for key in ("key-1", "key-1", "key-2", "key-3")]
    stock = await shop.stock("50")

    texts = [reply.value.text if reply.value else reply.note for reply in replies]
    assert texts == ["NEW01-7K2Q9-XPLM4", "NEW01-7K2Q9-XPLM4", "NEW02-7K2Q9-XPLM4", "none left"]
    assert (replies[3].answer, stock.value and stock.value.for_sale) == (Answer.REFUSED, 0)
    assert CODE not in repr(replies)


async def test_what_the_owner_did_not_switch_on_is_not_asked(stall: Stall, site: Site) -> None:
    shop = HttpShop(ground(stall.database, stall.vault), site.url, SECRET, lambda: datetime.now(UTC))

    written = [await shop.issue(ORDER_NO, "50", "k"), await shop.quarantine(ORDER_NO, "f"), await shop.note("A", "n")]
    refund = await shop.refund(ORDER_NO, 100, "k")
    await shop.close()

    assert {reply.answer for reply in written} == {Answer.UNSUPPORTED}
    assert (refund.answer, bool(refund.note)) == (Answer.MANUAL, True)
    assert not shop.powers & {Power.ISSUE, Power.QUARANTINE, Power.NOTE}
    assert site.asked == []


async def test_a_bad_code_leaves_the_stock_and_a_note_is_kept_once(server: Any, shop: HttpShop) -> None:
    order = await shop.find_order(ORDER_NO)
    assert order is not None
    with closing(sqlite3.connect(server.shop.path)) as db, db:
        db.execute("INSERT INTO codes (text, sku) VALUES (?, '50')", [CODE])

    replies = [await shop.quarantine(ORDER_NO, order.codes[0].fingerprint), await shop.quarantine(ORDER_NO, "unknown")]
    notes = [await shop.note(ORDER_NO, "已补发"), await shop.note(ORDER_NO, "已补发")]

    with closing(sqlite3.connect(server.shop.path)) as db:
        bad = db.execute("SELECT count(*) FROM codes WHERE state = 'bad'").fetchone()[0]
        note = db.execute("SELECT note FROM orders").fetchone()[0]
    assert [reply.answer for reply in replies] == [Answer.DONE, Answer.REFUSED]
    assert [reply.answer for reply in notes] == [Answer.DONE, Answer.DONE]
    assert (bad, note) == (1, "已补发\n")


async def test_the_shop_tells_where_a_code_came_from(shop: HttpShop) -> None:
    order = await shop.find_order(ORDER_NO)
    assert order is not None
    origin = await shop.origin_of(ORDER_NO, order.codes[0].fingerprint)

    assert origin.value is not None
    assert (origin.value.supplier, order.ways) == ("卡商A", {ProofWay.QUERY_PASSWORD})
    assert order.paid_at == datetime(2026, 3, 2, 4, tzinfo=UTC)


@pytest.mark.parametrize("proof", ["open sesame", "\ud800", "\0", "x" * 5_000])
async def test_a_proof_is_compared_by_the_shop_whatever_it_is(shop: HttpShop, proof: str) -> None:
    assert (await shop.prove_owner(ORDER_NO, proof) is not None) == (proof == "open sesame")
    assert await shop.prove_owner("AB12CD34EF56GH79", proof) is None


async def test_an_order_that_lacks_facts_is_named_by_them(server: Any, shop: HttpShop) -> None:
    with closing(sqlite3.connect(server.shop.path)) as db, db:
        db.execute("UPDATE orders SET status = 'gone', paid = NULL")

    with pytest.raises(StrangeAnswer, match="not as known: paid, status"):
        await shop.find_order(ORDER_NO)


@pytest.mark.parametrize("secret", ["", "short"])
def test_without_a_secret_there_is_no_such_shop(stall: Stall, secret: str) -> None:
    with pytest.raises(NothingToSignIn):
        HttpShop(ground(stall.database, stall.vault), "https://shop.example.com", secret, lambda: datetime.now(UTC))
