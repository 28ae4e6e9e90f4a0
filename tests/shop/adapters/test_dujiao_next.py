"""dujiao-next: its releases, its expired tokens, its split orders and what it does not say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shop.adapters.dujiao_next import DujiaoNext
from shop.errors import BadCredentials, NothingToSignIn, ShopDown, StrangeAnswer
from shop.port import Answer, OrderStatus, ProofWay
from tests.shop.adapters.conftest import beside, found, ground, oddity
from tests.shop.adapters.dujiao_next import DujiaoNextSite, Sale
from tests.shop.adapters.sites import Mood, answers, hangs_up_when_done
from tests.shop.conftest import Stall

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it hardly touches our own
KIND, SITE = DujiaoNext, DujiaoNextSite
ORDER_NO, CODES = "DJ20260302120000123456", ("7K2Q9-XPLM4-TRWE3", "AAAAA-BBBBB-CCCC1")
UNKNOWN = "DJ20260302120000123457"


@pytest.fixture
def sale() -> Sale:
    return Sale(ORDER_NO, CODES)


async def test_an_order_is_read_as_it_was_sold(shop: DujiaoNext) -> None:
    order = await found(shop, ORDER_NO)

    assert (order.goods.name, order.goods.price, order.goods.sku) == ("Steam 50 充值卡", 4_850, "50")
    assert (order.status, order.quantity, order.paid, order.refunded) == (OrderStatus.DELIVERED, 2, 9_700, 0)
    assert (order.paid_at, order.bought_from) == (datetime(2026, 3, 2, 4, tzinfo=UTC), "1.2.3.4")
    assert order.ways == {ProofWay.QUERY_PASSWORD, ProofWay.PAYMENT_TAIL}


async def test_an_expired_token_is_renewed_once_for_all(shop: DujiaoNext, site: DujiaoNextSite) -> None:
    await found(shop, ORDER_NO)
    site.token += 1
    site.asked.clear()

    await found(shop, ORDER_NO)
    await found(shop, ORDER_NO)

    assert [asked.path.rpartition("/")[2] for asked in site.asked] == ["orders", "login", "orders", "1", "orders", "1"]


async def test_a_wrong_password_is_not_tried_again_at_once(site: DujiaoNextSite, stall: Stall) -> None:
    async with beside(DujiaoNext, site, stall, password="wrong") as shop:
        for _ in range(3):
            with pytest.raises(BadCredentials):
                await shop.find_order(ORDER_NO)

    assert [asked.path for asked in site.asked] == ["/api/v1/admin/login"]


async def test_an_account_with_a_second_factor_is_named(shop: DujiaoNext, site: DujiaoNextSite) -> None:
    site.moods.append(answers({"status_code": 0, "data": {"requires_2fa": True, "challenge_token": "x"}}))

    with pytest.raises(BadCredentials, match="second factor"):
        await shop.find_order(ORDER_NO)


async def test_a_token_that_no_header_can_carry_is_none(shop: DujiaoNext, site: DujiaoNextSite) -> None:
    site.moods.append(answers({"status_code": 0, "data": {"token": "é"}}))

    with pytest.raises(StrangeAnswer, match="a token that is none"):
        await shop.find_order(ORDER_NO)


async def test_what_its_account_may_not_read_is_named(shop: DujiaoNext, site: DujiaoNextSite) -> None:
    site.forbidden = "/admin/card-secrets"

    assert await shop.find_order(ORDER_NO)
    with pytest.raises(BadCredentials, match="card-secrets"):
        await shop.stock("50")


@pytest.mark.parametrize(
    ("mood", "error"),
    [
        (answers(), StrangeAnswer),
        (answers({"data": []}), StrangeAnswer),
        (answers({"status_code": 500, "data": {"request_id": "1"}}), ShopDown),
        (answers({"status_code": 0, "data": [{"id": "x", "order_no": CODES[0]}]}), StrangeAnswer),
        (answers(status=500), ShopDown),
    ],
    ids=["a page", "no status", "an error of its own", "another shape", "an error"],
)
async def test_odd_answers_are_a_shop_that_is_away(
    shop: DujiaoNext, site: DujiaoNextSite, mood: Mood, error: type[ShopDown], caplog: pytest.LogCaptureFixture
) -> None:
    raised = await oddity(shop, site, mood, ORDER_NO)

    assert type(raised) is error
    assert CODES[0] not in str(raised) + caplog.text


async def test_a_sum_beyond_all_sums_is_an_odd_answer(shop: DujiaoNext, sale: Sale) -> None:
    sale.changes = {"total_amount": "1e400"}

    with pytest.raises(StrangeAnswer):
        await shop.find_order(ORDER_NO)


async def test_the_year_one_is_no_time(shop: DujiaoNext, sale: Sale) -> None:
    sale.changes = {"paid_at": "0001-01-01T00:00:00+08:00"}

    assert (await found(shop, ORDER_NO)).paid_at is None


@pytest.mark.parametrize(
    ("missing", "name"), [("status", "status"), ("total_amount", "total_amount"), ("items", "items")]
)
async def test_a_fact_that_no_release_leaves_out_is_missed(
    shop: DujiaoNext, sale: Sale, missing: str, name: str
) -> None:
    sale.changes[missing] = None

    with pytest.raises(StrangeAnswer, match=f"not as known: {name}"):
        await shop.find_order(ORDER_NO)


async def test_facts_that_some_releases_leave_out_are_not_missed(shop: DujiaoNext, sale: Sale) -> None:
    absent = ("client_ip", "payments", "refunded_amount", "guest_email", "currency")
    sale.changes |= dict.fromkeys(absent) | {
        "fulfillment": {"payload": CODES[0]},
        "items": [{"product_id": 50, "title": "Steam", "unit_price": 48.5, "quantity": 1}],
    }

    order = await found(shop, ORDER_NO)

    assert (order.goods.name, order.goods.price, order.goods.currency) == ("Steam", 4_850, "CNY")
    assert (len(order.codes), order.contact, order.ways) == (1, "", frozenset())


@pytest.mark.parametrize(
    ("changes", "status", "codes"),
    [
        ({"status": "pending_payment", "paid_at": None, "fulfillment": None}, OrderStatus.UNPAID, 0),
        ({"status": "fulfilling", "fulfillment": None}, OrderStatus.PAID_UNDELIVERED, 0),
        (
            {"status": "fulfilling", "fulfillment": {"status": "pending", "payload": "x"}},
            OrderStatus.PAID_UNDELIVERED,
            0,
        ),
        ({"status": "canceled", "paid_at": None, "fulfillment": None}, OrderStatus.CLOSED, 0),
        ({"status": "partially_refunded", "refunded_amount": "48.50"}, OrderStatus.DELIVERED, 2),
        ({"status": "refunded", "refunded_amount": "97.00"}, OrderStatus.REFUNDED, 2),
        ({"status": "of a newer release"}, OrderStatus.DELIVERED, 2),
        ({"fulfillment": {"payload": "库存不足，请联系客服"}}, OrderStatus.ABNORMAL, 0),
        ({"fulfillment": {"type": "manual", "payload": "已为您充值到账\n" + CODES[0]}}, OrderStatus.DELIVERED, 1),
    ],
)
async def test_each_status_is_understood(
    shop: DujiaoNext, sale: Sale, changes: dict[str, Any], status: OrderStatus, codes: int
) -> None:
    sale.changes |= changes

    order = await found(shop, ORDER_NO)

    assert (order.status, len(order.codes)) == (status, codes)
    assert order.refunded == {"partially_refunded": 4_850, "refunded": 9_700}.get(changes.get("status", ""), 0)


async def test_a_split_order_has_the_codes_of_all_its_parts(shop: DujiaoNext, site: DujiaoNextSite, sale: Sale) -> None:
    part = {"status": "completed", "currency": "CNY", "total_amount": "48.50"}
    item = {"unit_price": "48.50", "quantity": 1}
    sale.changes |= {
        "items": None,
        "fulfillment": None,
        "children": [
            part
            | {"id": 8, "order_no": ORDER_NO + "-1", "fulfillment": {"payload": CODES[0]}}
            | {"items": [item | {"product_id": 50, "title": {"zh-CN": "Steam"}}]},
            part
            | {"id": 9, "order_no": ORDER_NO + "-2", "fulfillment": {"payload": CODES[1], "type": "upstream"}}
            | {"items": [item | {"product_id": 7, "sku_id": 3, "title": {"en-US": "Xbox"}}]},
        ],
    }
    site.procured = {"local_order_no": ORDER_NO + "-2", "upstream_order_no": "UP1", "upstream_amount": "30.00"}
    site.procured |= {"connection_id": 4, "connection": {"name": "卡商A"}, "upstream_currency": "CNY"}

    order = await found(shop, ORDER_NO)
    own, bought = [await shop.origin_of(ORDER_NO, code.fingerprint) for code in order.codes]

    assert (order.goods.sku, order.goods.name, order.quantity) == ("50", "Steam + Xbox", 2)
    assert own.answer == Answer.REFUSED
    assert bought.value is not None
    assert (bought.value.supplier, bought.value.cost, bought.value.order_no) == ("卡商A", 3_000, "UP1")


async def test_a_long_delivery_is_fetched_whole(shop: DujiaoNext, sale: Sale) -> None:
    sale.codes = [f"CODE-{number:08}" for number in range(150)]

    order = await found(shop, ORDER_NO)

    assert len(order.codes) == 150


@pytest.mark.parametrize("style", ["header", "query", "by number", "open"])
async def test_a_guests_password_is_asked_for_as_the_release_wants(
    shop: DujiaoNext, site: DujiaoNextSite, style: str
) -> None:
    site.style = style

    proved = [await shop.prove_owner(ORDER_NO, proof) for proof in ("open sesamo", " ｏpen sesame ", "a\nb", "\ud800")]

    assert proved == [None, ProofWay.QUERY_PASSWORD, None, None]
    assert (style != "header") or not any("order_password" in asked.query for asked in site.asked)


async def test_an_unknown_order_is_asked_about_as_a_known_one(shop: DujiaoNext, site: DujiaoNextSite) -> None:
    await shop.prove_owner(ORDER_NO, "open sesame")
    asked = []
    for order_no in (ORDER_NO, UNKNOWN):
        site.asked.clear()
        await shop.prove_owner(order_no, "open sesamo")
        asked.append(len(site.asked))

    assert asked == [3, 3]


async def test_our_own_number_is_no_secret_when_a_provider_gives_it_back(shop: DujiaoNext, sale: Sale) -> None:
    sale.reference = ORDER_NO

    assert await shop.prove_owner(ORDER_NO, ORDER_NO[-6:]) is None
    assert (await found(shop, ORDER_NO)).ways == {ProofWay.QUERY_PASSWORD}


async def test_a_member_is_written_to_and_who_came_by_telegram_is_not(shop: DujiaoNext, sale: Sale) -> None:
    sale.changes |= {"guest_email": None, "user_id": 7, "user_email": "member@example.com"}
    member = await found(shop, ORDER_NO)
    sale.changes["user_email"] = "telegram_77@login.local"
    nobody = await found(shop, ORDER_NO)

    assert (member.contact, member.ways) == ("member@example.com", {ProofWay.PAYMENT_TAIL})
    assert nobody.contact == ""


async def test_a_refund_goes_to_a_members_wallet_once_when_switched_on(
    site: DujiaoNextSite, stall: Stall, sale: Sale
) -> None:
    async with beside(DujiaoNext, site, stall, writes=["refund"]) as shop:
        guest = await shop.refund(ORDER_NO, 4_850, "key-1")
        sale.changes |= {"user_id": 7}
        replies = [await shop.refund(ORDER_NO, 4_850, key) for key in ("key-1", "key-1", "key-2")]
    async with beside(DujiaoNext, site, stall) as reader:
        off = await reader.refund(ORDER_NO, 4_850, "key-3")

    assert [reply.value for reply in replies] == ["1", "1", "2"]
    assert [refund["amount"] for refund in site.refunds] == ["48.50", "48.50"]
    assert guest.answer == off.answer == Answer.MANUAL
    assert "后台" in off.note


async def test_a_refund_whose_answer_was_lost_is_not_paid_again(site: DujiaoNextSite, stall: Stall, sale: Sale) -> None:
    sale.changes |= {"user_id": 7}
    async with beside(DujiaoNext, site, stall, writes=["refund"]) as shop:
        await found(shop, ORDER_NO)
        said: list[Mood] = [lambda handler: handler.say(site.answer(site.asked[-1]))] * 3  # order, its page, refunds
        site.moods.extend([*said, hangs_up_when_done])
        with pytest.raises(ShopDown):
            await shop.refund(ORDER_NO, 4_850, "key-1")
        again = await shop.refund(ORDER_NO, 4_850, "key-1")

    assert (again.answer, again.value, len(site.refunds)) == (Answer.DONE, "1", 1)


async def test_a_product_that_is_none_has_no_stock(shop: DujiaoNext) -> None:
    replies = [await shop.stock(sku) for sku in ("50", "50-3", "7", "Steam", "")]

    assert [reply.value.for_sale if reply.value else reply.answer for reply in replies] == [3, 3, *["refused"] * 3]


def test_without_an_account_there_is_no_such_shop(stall: Stall) -> None:
    with pytest.raises(NothingToSignIn):
        DujiaoNext(ground(stall.database, stall.vault), "https://shop.example.com", "kadesk", "")
