"""Suppliers on api.php: what is read of orders and complaints, and what each odd answer comes to."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shop.adapters.supplier_api import SupplierApi, without_codes
from shop.errors import BadCredentials, BadShopSite, NothingToSignIn, ShopDown, StrangeAnswer
from shop.port import Answer
from tests.shop.adapters.sites import Mood, answers, hangs_up, hangs_up_when_done, says_nothing
from tests.shop.adapters.wholesale import ACCOUNT, KEY, Wholesale

SECRET = "7K2Q9-XPLM4-TRWE3"


@pytest.fixture
def wholesale() -> Iterator[Wholesale]:
    wholesale = Wholesale()
    wholesale.sell("W-1", f"1234567----{SECRET}")
    wholesale.sell("W-2", status=5)
    yield wholesale
    wholesale.site.shutdown()
    wholesale.site.server_close()


@pytest.fixture
async def supplier(wholesale: Wholesale) -> AsyncIterator[SupplierApi]:
    supplier = SupplierApi("supplier star", wholesale.url, ACCOUNT, KEY, seconds=0.3, apart=0)
    yield supplier
    await supplier.close()


async def test_an_order_is_found_with_its_codes_in_every_way_they_are_written(supplier: SupplierApi) -> None:
    found, over, none = [await supplier.find_order(number) for number in ("W-1", "W-2", "W-3")]

    assert found is not None
    assert (found.is_over, set(found.codes)) == (False, {"1234567", SECRET, f"1234567{SECRET}"})
    assert SECRET not in repr(found)
    assert over is not None
    assert (over.is_over, over.codes, none) == (True, (), None)
    await supplier.examine()


@pytest.mark.parametrize("tells_number", [True, False])
async def test_a_complaint_is_filed_found_and_answered(
    supplier: SupplierApi, wholesale: Wholesale, tells_number: bool
) -> None:
    wholesale.tells_number = tells_number

    filed = await supplier.complain("W-1", "卡密投诉 [demo-7]", "请补发")

    number = await supplier.find_complaint("[demo-7]")
    assert (filed.answer, filed.value, number) == (Answer.DONE, "7001" if tells_number else "", "7001")
    assert await supplier.find_complaint("[demo-8]") == ""
    said = []
    for status in (1, 2, 3, 4):
        wholesale.decide(status, f"已处理 补卡 {SECRET}")
        said.append(await supplier.find_answer(number))
    assert said[:2] == [None, None]
    assert [(one.is_bad, one.remark) for one in said if one] == [
        (True, "已处理 补卡 ****"),
        (False, "已处理 补卡 ****"),
    ]


@pytest.mark.parametrize(
    ("words", "is_replaced"),
    [
        ("已核实，已补发新卡", True),
        ("Code replaced", True),
        ("已退款到余额", False),
        ("不能补发，已退款", False),
        ("已处理", False),
        ("", False),
    ],
)
async def test_what_was_solved_is_told_apart_where_the_answer_says_it(
    supplier: SupplierApi, wholesale: Wholesale, words: str, is_replaced: bool
) -> None:
    await supplier.complain("W-1", "s", "c")
    wholesale.decide(3, words)

    said = await supplier.find_answer("7001")

    assert said is not None
    assert (said.is_bad, said.is_replaced) == (True, is_replaced)


async def test_what_is_not_taken_is_refused_and_what_nobody_knows_is_asked_once(
    supplier: SupplierApi, wholesale: Wholesale
) -> None:
    refused = await supplier.complain("W-9", "s", "c")
    wholesale.site.forget()
    for mood in (hangs_up_when_done, says_nothing, answers(status=502), answers(), answers({"code": 2001})):
        wholesale.site.moods.append(mood)
        with pytest.raises(ShopDown):
            await supplier.complain("W-1", "s", "c")

    assert (refused.answer, refused.note) == (Answer.REFUSED, "1010")
    assert len(wholesale.site.asked) == 5
    assert len(wholesale.complaints) == 1


async def test_who_comes_too_soon_asks_again_later(supplier: SupplierApi, wholesale: Wholesale) -> None:
    wholesale.site.moods.append(answers({"resultcode": 1004}))

    assert (await supplier.complain("W-1", "s", "c")).value == "7001"

    assert len(wholesale.complaints) == 1


@pytest.mark.parametrize(
    ("mood", "error", "problem"),
    [
        (answers(), StrangeAnswer, "no JSON"),
        (answers([1000]), StrangeAnswer, "not as known: all"),
        (answers({"code": "1000", "data": {"ostatus": SECRET}}), StrangeAnswer, "not as known: ostatus"),
        (answers({"code": 1001, "msg": SECRET}), StrangeAnswer, "code 1001"),
        (answers({"code": "1007", "msg": SECRET}), BadCredentials, "blocked"),
        (says_nothing, ShopDown, "does not answer"),
    ],
)
async def test_a_strange_answer_is_named_and_not_shown(
    supplier: SupplierApi, wholesale: Wholesale, mood: Mood, error: type[ShopDown], problem: str
) -> None:
    wholesale.site.moods.append(mood)

    with pytest.raises(error, match=problem) as raised:
        await supplier.find_order("W-1")

    assert SECRET not in f"{raised.value!s}{raised.value!r}"


async def test_a_lost_connection_is_made_anew_and_a_wrong_key_is_told(
    supplier: SupplierApi, wholesale: Wholesale
) -> None:
    wholesale.site.moods.append(hangs_up)
    assert await supplier.find_order("W-1") is not None

    stranger = SupplierApi("supplier star", wholesale.url, ACCOUNT, "another", apart=0)
    with pytest.raises(BadCredentials, match="is the key right"):
        await stranger.examine()
    await stranger.close()


@pytest.mark.parametrize(
    "text", ["新卡 AB12CD34", "AB12-CD34", "ab 12 cd 34", "ＡＢ１２ＣＤ３４", "12\u200b34\u200b56"]
)
def test_nothing_that_may_be_a_code_stays_of_a_message(text: str) -> None:
    assert not any(part in without_codes(text) for part in ("12", "34", "１２"))
    assert without_codes("已核实,请放心") == "已核实,请放心"


def test_an_account_goes_with_its_key_and_over_tls() -> None:
    with pytest.raises(NothingToSignIn):
        SupplierApi("supplier star", "https://w.example.com/api.php", ACCOUNT, "")
    with pytest.raises(BadShopSite):
        SupplierApi("supplier star", "http://w.example.com/api.php", ACCOUNT, KEY)
