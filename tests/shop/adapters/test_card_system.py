"""card-system: its tokens, its numbers of both cases, its repeated cards and its half-delivered orders."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shop.adapters.card_system import CardSystem
from shop.errors import BadCredentials, NothingToSignIn, ShopDown, StrangeAnswer
from shop.port import Answer, OrderStatus, Power, ProofWay
from tests.shop.adapters.card_system import CardSystemSite, Sale
from tests.shop.adapters.conftest import beside, found, ground, oddity
from tests.shop.adapters.sites import Mood, answers
from tests.shop.conftest import Stall

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it hardly touches our own
KIND, SITE = CardSystem, CardSystemSite
ORDER_NO, CODES = "20260302120000aB3dE", ("7K2Q9-XPLM4-TRWE3", "AAAAA-BBBBB-CCCC1")


@pytest.fixture
def sale() -> Sale:
    return Sale(ORDER_NO, CODES)


async def test_an_order_is_read_as_it_was_sold(shop: CardSystem) -> None:
    order = await found(shop, ORDER_NO)

    assert (order.goods.name, order.goods.price, order.goods.sku) == ("Steam 50 充值卡", 4_850, "50")
    assert (order.status, order.quantity, order.paid, order.refunded) == (OrderStatus.DELIVERED, 2, 9_700, 0)
    assert order.paid_at == order.delivered_at == datetime(2026, 3, 2, 4, tzinfo=UTC)
    assert order.ways == {ProofWay.QUERY_PASSWORD, ProofWay.PAYMENT_TAIL}


async def test_a_number_is_found_in_any_case_unless_two_orders_differ_in_nothing_else(stall: Stall) -> None:
    with CardSystemSite(Sale(ORDER_NO, CODES), Sale(ORDER_NO.swapcase(), CODES[:1])) as site:
        async with beside(CardSystem, site, stall) as shop:
            both = [await shop.find_order(number) for number in (ORDER_NO, ORDER_NO.swapcase(), ORDER_NO.lower())]

    assert [order and order.quantity for order in both] == [2, 1, None]


async def test_a_token_is_renewed_when_it_ended_and_kept_when_it_came_with_an_answer(
    shop: CardSystem, site: CardSystemSite
) -> None:
    await found(shop, ORDER_NO)
    site.token = "token-2"
    site.asked.clear()
    await found(shop, ORDER_NO)
    site.next_token = "token-3"
    await found(shop, ORDER_NO)
    await found(shop, ORDER_NO)

    paths = [asked.path.removeprefix("/api/admin/") for asked in site.asked]
    assert paths == ["order", "auth/login", "order", "card", *["order", "card"] * 2]


async def test_a_wrong_password_is_not_tried_again_at_once(site: CardSystemSite, stall: Stall) -> None:
    async with beside(CardSystem, site, stall, password="wrong") as shop:
        for _ in range(3):
            with pytest.raises(BadCredentials):
                await shop.find_order(ORDER_NO)

    assert len(site.asked) == 1


async def test_a_release_without_tokens_is_named(shop: CardSystem, site: CardSystemSite) -> None:
    site.moods.append(answers({"message": "页面未找到"}, 404))

    with pytest.raises(BadCredentials, match="without tokens"):
        await shop.find_order(ORDER_NO)


async def test_an_older_release_is_asked_by_post(shop: CardSystem, site: CardSystemSite) -> None:
    site.takes = "POST"

    assert len((await found(shop, ORDER_NO)).codes) == 2


@pytest.mark.parametrize(
    ("mood", "error"),
    [
        (answers(), StrangeAnswer),
        (answers({"message": "success", "data": {"data": [{"order_no": ORDER_NO}]}}), StrangeAnswer),
        (answers({"message": "success", "data": CODES[0]}), StrangeAnswer),
        (answers({"message": "参数错误"}, 422), StrangeAnswer),
        (answers({"message": "forbidden"}, 403), BadCredentials),
        (answers({"message": "未知错误，请联系客服"}, 500), ShopDown),
        (answers({"message": "Too Many Attempts."}, 429), ShopDown),
    ],
    ids=["a page", "facts are missing", "another shape", "refused", "forbidden", "an error", "too often"],
)
async def test_odd_answers_are_a_shop_that_is_away(
    shop: CardSystem, site: CardSystemSite, mood: Mood, error: type[ShopDown], caplog: pytest.LogCaptureFixture
) -> None:
    raised = await oddity(shop, site, mood, ORDER_NO)

    assert type(raised) is error
    assert CODES[0] not in str(raised) + caplog.text


@pytest.mark.parametrize(
    ("changes", "status", "codes"),
    [
        ({"status": 0, "paid_at": None, "card_orders": []}, OrderStatus.UNPAID, 0),
        ({"status": 1, "card_orders": []}, OrderStatus.PAID_UNDELIVERED, 0),
        ({"status": 1}, OrderStatus.PARTIAL, 2),
        ({"status": 3, "frozen_reason": "投诉"}, OrderStatus.FROZEN, 2),
        ({"status": 4}, OrderStatus.REFUNDED, 2),
        ({"card_orders": [{"card": {"id": 1, "card": "库存不足"}}]}, OrderStatus.ABNORMAL, 0),
        ({"card_orders": [{"card": {"id": 1, "card": "卡号 A\n密码 B"}}]}, OrderStatus.DELIVERED, 1),
        ({"card_orders": [{"card": None}]}, OrderStatus.DELIVERED, 0),
        (
            {"product": {"delivery": 1}, "card_orders": [{"card": {"card": "已充值\n" + CODES[0]}}]},
            OrderStatus.DELIVERED,
            1,
        ),
    ],
)
async def test_each_status_is_understood(
    shop: CardSystem, sale: Sale, changes: dict[str, Any], status: OrderStatus, codes: int
) -> None:
    sale.changes |= changes

    order = await found(shop, ORDER_NO)

    assert (order.status, len(order.codes)) == (status, codes)
    assert order.refunded == (9_700 if status == OrderStatus.REFUNDED else 0)


async def test_a_repeated_card_is_known_as_one(shop: CardSystem, sale: Sale) -> None:
    sale.codes, sale.type = CODES[:1], 1
    repeated = await found(shop, ORDER_NO)
    sale.type = 0
    single = await found(shop, ORDER_NO)

    assert [order.codes[0].is_reusable for order in (repeated, single)] == [True, False]


@pytest.mark.parametrize(
    ("changes", "contact"),
    [
        ({"contact": "10001", "contact_ext": '{"_mail": "a@example.com", "_mobile": "1"}'}, "a@example.com"),
        ({"contact": "b@example.com", "contact_ext": "broken"}, "b@example.com"),
        ({"contact": None, "email": "c@example.com"}, "c@example.com"),
        ({"contact": 10001, "contact_ext": "[]"}, "10001"),
    ],
)
async def test_an_address_is_found_where_the_buyer_left_it(
    shop: CardSystem, sale: Sale, changes: dict[str, Any], contact: str
) -> None:
    sale.changes |= changes

    assert (await found(shop, ORDER_NO)).contact == contact


async def test_an_unknown_order_is_asked_about_as_a_known_one(shop: CardSystem, site: CardSystemSite) -> None:
    await found(shop, ORDER_NO)
    asked = []
    for order_no in (ORDER_NO, "20260302120000aB3dF"):
        site.asked.clear()
        await shop.prove_owner(order_no, "open sesamo")
        asked.append(len(site.asked))

    assert asked == [2, 2]


async def test_our_own_number_is_no_secret_when_a_provider_gives_it_back(shop: CardSystem, sale: Sale) -> None:
    sale.reference = ORDER_NO

    assert await shop.prove_owner(ORDER_NO, ORDER_NO[-6:]) is None


async def test_a_note_stands_once_below_the_remark_when_switched_on(
    site: CardSystemSite, stall: Stall, sale: Sale
) -> None:
    sale.changes["remark"] = "老客户"
    async with beside(CardSystem, site, stall, writes=["note"]) as shop:
        notes = [await shop.note(ORDER_NO, text) for text in ("已补发", "已补发", "x" * 250)]
        nobodys = await shop.note("20260302120000aB3dF", "已补发")
    async with beside(CardSystem, site, stall) as reader:
        off = await reader.note(ORDER_NO, "已补发")

    assert sale.changes["remark"] == "老客户\n已补发"
    assert [note.answer for note in notes] == [Answer.DONE, Answer.DONE, Answer.MANUAL]
    assert (nobodys.answer, off.answer) == (Answer.REFUSED, Answer.UNSUPPORTED)
    assert Power.NOTE not in reader.powers


async def test_a_product_that_is_none_has_no_stock(shop: CardSystem) -> None:
    replies = [await shop.stock(sku) for sku in ("50", "7", "Steam")]

    assert [reply.value.for_sale if reply.value else reply.answer for reply in replies] == [3, "refused", "refused"]


def test_without_an_account_there_is_no_such_shop(stall: Stall) -> None:
    with pytest.raises(NothingToSignIn):
        CardSystem(ground(stall.database, stall.vault), "https://shop.example.com", "", "let me in")
