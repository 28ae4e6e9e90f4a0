"""What every adapter keeps: each is a fixture's parameter, with one known order of two codes in its shop."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from shop.adapters.acg_faka import AcgFaka
from shop.adapters.card_system import CardSystem
from shop.adapters.dujiao_next import DujiaoNext
from shop.adapters.dujiaoka import Dujiaoka
from shop.port import Answer, Order, OrderStatus, Power, Powerless, ProofWay, Reply, Shop, Verdict
from tests.shop.adapters import acg_faka, card_system, dujiao_next, dujiaoka, http_shop, mapped
from tests.shop.adapters.conftest import beside, ground, new_mariadb
from tests.shop.conftest import Stall

ORDER_NO, CODES = "AB12CD34EF56GH78", ("7K2Q9-XPLM4-TRWE3", "AAAAA-BBBBB-CCCC1")
FOREIGN_NO, FOREIGN = "ZZ99ZZ99ZZ99ZZ99", "FFFFF-GGGGG-HHHH2"
SKU, ADDRESS = "50", "chen.xiao@mail.qq.com"
Opened = AbstractAsyncContextManager[Shop]


async def put_up(stall: Stall) -> Shop:
    await stall.add_product(SKU, reserve=["NEW01-7K2Q9-XPLM4"])
    await stall.sell(*CODES, order_no=ORDER_NO, paid=9_700, contact=ADDRESS)
    await stall.sell(FOREIGN, order_no=FOREIGN_NO, contact="")
    return stall.shop


@asynccontextmanager
async def local(stall: Stall, _request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    yield await put_up(stall)


def opened(open_tables: Callable[[str, list[dujiaoka.Sale]], Awaitable[None]]) -> Callable[..., Opened]:
    """A dujiaoka of the edition whose tables these are."""

    @asynccontextmanager
    async def open_shop(stall: Stall, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
        known = dujiaoka.Sale(ORDER_NO, CODES, quantity=2, paid="97.00", email=ADDRESS)
        foreign = dujiaoka.Sale(FOREIGN_NO, (FOREIGN,), email="", password="another", payment="")
        async with new_mariadb(request.getfixturevalue("mariadb_url")) as url:
            await open_tables(url, [known, foreign])
            shop = Dujiaoka(ground(stall.database, stall.vault), url)
            yield shop
            await shop.close()

    return open_shop


@asynccontextmanager
async def http(stall: Stall, _request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """Our own contract, with the server of the documents."""
    sales = [http_shop.Sale(ORDER_NO, CODES, ADDRESS), http_shop.Sale(FOREIGN_NO, [FOREIGN], "", password="another")]
    with http_shop.serving(sales, stock=["NEW01-7K2Q9-XPLM4"]) as server:
        async with http_shop.beside(server, stall) as shop:
            yield shop


@asynccontextmanager
async def acg(stall: Stall, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    books = acg_faka.Books()
    goods, secret = books.add_goods(SKU), {"password": "open sesame", "contact": ADDRESS}
    books.sell(goods, "\n".join(CODES), CODES, order_no=ORDER_NO, card_num=2, amount="97.00", **secret)
    books.sell(goods, FOREIGN, [FOREIGN], order_no=FOREIGN_NO, contact="13800138000")
    async with new_mariadb(request.getfixturevalue("mariadb_url")) as url:
        await books.open(url)
        shop = AcgFaka(ground(stall.database, stall.vault), url)
        yield shop
        await shop.close()


def kept(make: Callable[..., mapped.Make], server: str) -> Callable[..., Opened]:
    """A shop of any make, by the map of its columns."""

    @asynccontextmanager
    async def open_shop(stall: Stall, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
        made = make(ORDER_NO, CODES, FOREIGN_NO, FOREIGN, ADDRESS)
        async with mapped.beside(await mapped.kept_place(server, made, request), made, stall) as shop:
            yield shop

    return open_shop


@asynccontextmanager
async def next_generation(stall: Stall, _request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A server of ours that speaks as dujiao-next does."""
    known = dujiao_next.Sale(ORDER_NO, CODES, email=ADDRESS)
    foreign = dujiao_next.Sale(FOREIGN_NO, [FOREIGN], email="", password="another", reference="")
    with dujiao_next.DujiaoNextSite(known, foreign) as site:
        async with beside(DujiaoNext, site, stall) as shop:
            yield shop


@asynccontextmanager
async def cards(stall: Stall, _request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A server of ours that speaks as card-system does."""
    known = card_system.Sale(ORDER_NO, CODES, contact=ADDRESS)
    foreign = card_system.Sale(FOREIGN_NO, [FOREIGN], contact="", password="another", reference="")
    with card_system.CardSystemSite(known, foreign) as site:
        async with beside(CardSystem, site, stall, writes=["note"]) as shop:
            yield shop


MASK = re.compile(r"[a-z0-9]\*{3}@[a-z0-9]\*{2}\.[a-z]+")
# Each puts the shop up with the orders above. The `request` gives servers: request.getfixturevalue("mariadb_url").
ADAPTERS: dict[str, Callable[[Stall, pytest.FixtureRequest], Opened]] = {
    "local": local,
    "dujiaoka": opened(dujiaoka.open_original),
    "dujiaoka_fork": opened(dujiaoka.open_fork),
    "acg_faka": acg,
    "http": http,
    "dujiao_next": next_generation,
    "card_system": cards,
    "sql_texts": kept(mapped.with_texts, "sqlite"),
    "sql_links": kept(mapped.with_links, "mariadb"),
    "sql_link_table": kept(mapped.with_a_link_table, "postgresql"),
}

# What each power is asked with.
REQUESTS: dict[Power, Callable[[Shop, Order], Awaitable[Reply[Any]]]] = {
    Power.CONTACT: lambda shop, order: shop.contact_of(ORDER_NO),
    Power.STOCK: lambda shop, order: shop.stock(SKU),
    Power.ORIGIN: lambda shop, order: shop.origin_of(ORDER_NO, order.codes[0].fingerprint),
    Power.ISSUE: lambda shop, order: shop.issue(ORDER_NO, SKU, "key-1"),
    Power.REFUND: lambda shop, order: shop.refund(ORDER_NO, 100, "key-1"),
    Power.QUARANTINE: lambda shop, order: shop.quarantine(ORDER_NO, order.codes[0].fingerprint),
    Power.NOTE: lambda shop, order: shop.note(ORDER_NO, "已补发"),
}


# Foreign shops touch our own database hardly, and the same way: on one of the two is enough.
everywhere = pytest.mark.parametrize(
    ("database_url", "shop"),
    [*(("sqlite", name) for name in ADAPTERS), pytest.param("postgres", "local", marks=pytest.mark.postgres)],
    indirect=True,
)


@pytest.fixture
async def shop(request: pytest.FixtureRequest, stall: Stall) -> AsyncIterator[Shop]:
    async with ADAPTERS[request.param](stall, request) as shop:
        yield shop


async def found(shop: Shop, order_no: str = ORDER_NO) -> Order:
    order = await shop.find_order(order_no)
    assert order is not None
    return order


@everywhere
async def test_an_order_is_found_however_its_number_is_typed(shop: Shop) -> None:
    order = await found(shop, f" {ORDER_NO[:4].lower()}-{ORDER_NO[4:]}\u3000")

    assert (order.shop, order.order_no, order.status) == (shop.name, ORDER_NO, OrderStatus.DELIVERED)
    assert (order.goods.sku, order.quantity, order.paid, order.refunded) == (SKU, 2, 9_700, 0)
    assert [code.position for code in order.codes] == [1, 2]


@everywhere
async def test_an_order_says_nothing_of_its_codes_but_their_masks(shop: Shop) -> None:
    shown = repr(await found(shop))

    assert not any(part in shown for code in CODES for part in code.split("-")[:2])


@everywhere
@pytest.mark.parametrize("typed", ["AB12CD34EF56GH79", "", "%", "' OR 1=1 --", "x" * 5_000, "\0\ud800"])
async def test_what_is_no_order_is_not_found_and_nobodys(shop: Shop, typed: str) -> None:
    assert await shop.find_order(typed) is None
    assert await shop.prove_owner(typed, "open sesame") is None
    assert (await shop.check_code(typed, CODES[0])).verdict == Verdict.OTHER


@everywhere
async def test_a_right_proof_opens_and_a_wrong_one_does_not(shop: Shop) -> None:
    assert await shop.prove_owner(ORDER_NO, "open sesame") in set(ProofWay)
    assert await shop.prove_owner(ORDER_NO, "open sesamo") is None


@everywhere
async def test_an_address_is_shown_masked_and_what_has_none_looks_the_same(shop: Shop) -> None:
    known, without, unknown = [(await shop.contact_of(one)).value for one in (ORDER_NO, FOREIGN_NO, "NO SUCH ORDER 1")]
    again = (await shop.contact_of("nosuchorder1")).value

    if Power.CONTACT in shop.powers:
        assert known is not None
        assert without is not None
        assert unknown is not None
        assert (known.shown, known.address) == ("c***@m**.com", ADDRESS)
        assert ADDRESS not in repr(known)
        assert (without.address, unknown.address, unknown) == ("", "", again)
        assert all(MASK.fullmatch(one.shown) for one in (without, unknown))


@everywhere
async def test_a_code_is_compared_with_this_order_alone(shop: Shop) -> None:
    order = await found(shop)

    exact, near, foreign = [await shop.check_code(ORDER_NO, code) for code in (CODES[0], CODES[0][:-1] + "8", FOREIGN)]

    assert (exact.verdict, exact.code) == (Verdict.EXACT, order.codes[0])
    assert (near.verdict, near.code) == (Verdict.NEAR, order.codes[0])
    assert (foreign.verdict, foreign.code) == (Verdict.OTHER, None)


@everywhere
async def test_another_orders_code_has_no_origin_here(shop: Shop) -> None:
    foreign = await found(shop, FOREIGN_NO)

    reply = await shop.origin_of(ORDER_NO, foreign.codes[0].fingerprint)

    assert reply.answer in (Answer.REFUSED, Answer.UNSUPPORTED)


@everywhere
@pytest.mark.parametrize("power", REQUESTS)
async def test_a_shop_can_do_what_it_says_and_says_what_it_can_do(shop: Shop, power: Power) -> None:
    reply = await REQUESTS[power](shop, await found(shop))

    assert (reply.answer != Answer.UNSUPPORTED) == (power in shop.powers)
    assert (reply.value is not None) <= (reply.answer == Answer.DONE)


@pytest.mark.parametrize("power", REQUESTS)
async def test_a_shop_without_powers_says_so_of_each(stall: Stall, power: Power) -> None:
    reply = await REQUESTS[power](Powerless(), await found(await put_up(stall)))  # type: ignore[arg-type]

    assert reply == Reply(Answer.UNSUPPORTED)


async def test_the_local_shop_counts_its_stock_and_knows_its_suppliers(stall: Stall) -> None:
    shop = await put_up(stall)

    stock, origin = await shop.stock(SKU), await shop.origin_of(ORDER_NO, (await found(shop)).codes[0].fingerprint)

    assert stock.value is not None
    assert origin.value is not None
    assert (stock.value.for_sale, stock.value.reserve, origin.value.supplier) == (0, 1, f"supplier of {SKU}")
