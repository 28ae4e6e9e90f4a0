"""The claim flow as buyers live it."""

import re
from datetime import UTC, datetime

import pytest

from shop.port import OrderStatus
from shop.reveals import open_link
from shop.tables import Replacement
from tests.bot.conftest import CODE, ORDER, PASSWORD, PAYMENT, House
from tickets.tables import Claim, Level, Message, OrderBinding, OwnershipMiss, Ticket


async def test_a_used_code_is_replaced_by_a_one_time_link(house: House) -> None:
    buyer = house.buyer()

    greeting = await buyer.start()
    asked_order = await buyer.press("卡密用不了")
    asked_proof = await buyer.say(ORDER)
    asked_code = await buyer.say(PASSWORD)
    asked_reason = await buyer.press("****")
    replaced = await buyer.press("已被使用")

    assert "自动客服" in greeting
    assert "订单号" in asked_order
    assert "查询密码" in asked_proof
    assert "哪一张" in asked_code
    assert "****-3VNP 是这笔订单的卡密" in asked_reason
    assert "https://kadesk.test/r/" in replaced
    assert "24 小时" in replaced
    claim = await house.one(Claim)
    assert (claim.reason, claim.outcome) == ("already_used", "replace")
    assert await house.all(Ticket) == []


async def test_the_whole_story_in_english(house: House) -> None:
    buyer = house.buyer()

    await buyer.say("hello there, my friend, good morning")
    asked_order = await buyer.press("A code does not work")
    asked_proof = await buyer.say(f"the order number is {ORDER}")
    asked_code = await buyer.say(PASSWORD)
    asked_reason = await buyer.say(CODE)
    replaced = await buyer.say("it says already redeemed")

    assert "order number" in asked_order
    assert "query password" in asked_proof
    assert "which code" in asked_code
    assert "What happens" in asked_reason
    assert "new code in place of ****-3VNP" in replaced


async def test_the_reason_in_the_first_words_is_not_asked_again(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("提示已被使用")

    await buyer.press("卡密用不了")
    await buyer.say(ORDER)
    await buyer.say(PASSWORD)
    replaced = await buyer.press("****")

    assert "https://kadesk.test/r/" in replaced


async def test_order_proof_and_reason_may_come_in_one_message(house: House) -> None:
    buyer = house.buyer()

    asked_code = await buyer.say(f"订单号 {ORDER} 查询密码 {PASSWORD} 提示已被使用")
    replaced = await buyer.press("****")

    assert "哪一张" in asked_code
    assert "https://kadesk.test/r/" in replaced
    assert not any(PASSWORD in text or ORDER in text for text in await house.heard())


async def test_the_payment_number_proves_as_well(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"订单 {ORDER} 用不了")

    shown = await buyer.say(PAYMENT)

    assert "Steam 50元充值卡" in shown
    assert await house.all(OrderBinding) != []


async def test_an_order_that_was_proved_is_one_press_away(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD}")

    await buyer.say("菜单")
    await buyer.press("卡密用不了")
    asked_code = await buyer.press(ORDER)

    assert "哪一张" in asked_code


async def test_unknown_and_foreign_orders_are_answered_alike(house: House) -> None:
    known, unknown = house.buyer("known"), house.buyer("unknown")
    answers: dict[str, list[str]] = {"known": [], "unknown": []}

    for buyer, name, number in ((known, "known", ORDER), (unknown, "unknown", "ZZ12CD34EF56GH78")):
        await buyer.start()
        await buyer.press("查我的订单")
        answers[name] = [await buyer.say(number), await buyer.say("wrong-1"), await buyer.say("wrong-2")]

    assert answers["known"] == answers["unknown"]
    assert await house.all(OrderBinding) == []


async def test_five_wrong_proofs_lock_for_ten_minutes_even_for_the_right_one(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"查 {ORDER}")

    misses = [await buyer.say(f"wrong-{number}") for number in range(5)]
    await buyer.say(ORDER)
    locked = await buyer.say(f"{ORDER} {PASSWORD}")
    house.clock.advance(minutes=10, seconds=1)
    opened = await buyer.say(f"{ORDER} {PASSWORD}")

    assert all("对不上" in miss for miss in misses[:4])
    assert "10 分钟" in misses[4]
    assert "输错的次数太多" in locked
    assert len(await house.all(OwnershipMiss)) == 5
    assert "Steam 50元充值卡" in opened


async def test_a_near_miss_is_sent_back_to_copy_it_again_without_a_ticket(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")

    near = await buyer.say(CODE.replace("9XH4T", "9XH4"))
    exact = await buyer.say(CODE)

    assert "差一两个字符" in near
    assert await house.all(Ticket) == []
    assert "https://kadesk.test/r/" in exact


async def test_a_code_of_another_order_is_never_placed(house: House) -> None:
    await house.sell("OTHER-55555-CODES", order_no="ZZ98YX76WV54UT32")
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")

    foreign = await buyer.say("OTHER-55555-CODES")
    invented = await buyer.say("QQQQQ-77777-WWWWW")

    assert foreign == invented
    assert "不是这笔订单" in foreign
    assert "ZZ98" not in foreign


async def test_who_types_ten_codes_that_do_not_fit_is_handed_to_a_person(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")

    verdicts = [await buyer.say(f"QQQQQ-7777{number}-WWWWW") for number in range(9)]
    tickets = len(await house.all(Ticket))
    await buyer.say("QQQQQ-77779-WWWWW")

    assert all("不是这笔订单" in verdict for verdict in verdicts)
    assert tickets == 0
    assert (await house.one(Ticket)).level == 1


async def test_a_proof_is_remembered_in_the_way_that_fitted(house: House) -> None:
    await house.buyer("password").say(f"{ORDER} {PASSWORD}")
    tail = house.buyer("tail")
    await tail.say(f"查 {ORDER}")
    await tail.say(PAYMENT[-6:])

    assert [binding.way for binding in await house.all(OrderBinding)] == ["query_password", "payment_tail"]


async def test_a_code_is_never_stored_or_echoed(house: House) -> None:
    buyer = house.buyer()
    replies = [await buyer.say(f"{CODE} 提示已被使用"), await buyer.say(f"{ORDER} {PASSWORD}"), await buyer.say(CODE)]
    replies += [await buyer.say(CODE), await buyer.say("NETEASEMUSIC4242"), await buyer.press("这是卡密")]

    stored = [message.text for message in await house.all(Message)]

    assert not any(secret in text for secret in (CODE, "NETEASEMUSIC4242", PASSWORD) for text in [*replies, *stored])


async def test_who_has_not_opened_the_link_gets_it_again(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    first = await buyer.press("****-3VNP")

    await buyer.say(f"{ORDER} 提示已被使用")
    again = await buyer.press("****-3VNP")

    assert "重新发给您" in again
    assert "https://kadesk.test/r/" in again
    assert again != first
    assert len(await house.all(Replacement)) == 1
    assert await house.all(Ticket) == []


async def test_a_code_that_was_replaced_and_seen_goes_to_a_person_the_second_time(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    link = re.search("/r/([^\\s]+)", await buyer.press("****-3VNP"))
    assert link is not None
    async with house.database.writing() as session:
        await open_link(session, house.clock(), house.vault, link[1], "192.0.2.1")

    await buyer.say(f"{ORDER} 提示已被使用")
    again = await buyer.press("****-3VNP")

    assert "之前已经补发过" in again
    assert "K-000001" in again
    assert len([claim for claim in await house.all(Claim) if claim.outcome]) == 1


async def test_an_empty_pool_stands_in_front_of_people_at_once(house: House) -> None:
    await house.hire()
    await house.stock("XBOX", "Xbox 月卡")
    await house.sell("XXXXX-88888-YYYYY", order_no="XB12CD34EF56GH78")
    buyer = house.buyer()

    await buyer.say(f"XB12CD34EF56GH78 {PASSWORD} 提示已被使用")
    ticket = await buyer.press("****")

    assert "备用卡刚好用完" in ticket
    assert (await house.one(Ticket)).level == Level.HUMAN_QUEUE


async def test_a_reason_that_needs_a_person_opens_a_ticket_with_number_place_and_promise(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 账号登不上")

    promised = await buyer.press("****")
    twice = (await buyer.say(f"{ORDER} 账号登不上"), await buyer.press("****"))[1]

    assert "K-000001" in promised
    assert "下一个就轮到您" in promised
    assert "24 小时" in promised
    assert "已经报过了" in twice
    assert len(await house.all(Ticket)) == 1


async def test_a_long_order_asks_for_the_code_itself(house: House) -> None:
    codes = [f"MANYX-{number:05}-CODES" for number in range(9)]
    await house.sell(*codes, order_no="LL12CD34EF56GH78")
    buyer = house.buyer()

    asked = await buyer.say(f"LL12CD34EF56GH78 {PASSWORD} 提示已被使用")
    buttons = await buyer.buttons()
    replaced = await buyer.say(codes[6])

    assert "粘贴" in asked
    assert not any("****" in label for label in buttons)
    assert "https://kadesk.test/r/" in replaced


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (OrderStatus.UNPAID, "还没有收到付款"),
        (OrderStatus.REFUNDED, "已经退款"),
        (OrderStatus.CLOSED, "已经关闭"),
        (OrderStatus.FROZEN, "冻结"),
    ],
)
async def test_an_order_that_has_nothing_to_replace_is_explained(house: House, status: OrderStatus, words: str) -> None:
    await house.sell(order_no="ST12CD34EF56GH78", status=status)
    buyer = house.buyer()

    told = await buyer.say(f"ST12CD34EF56GH78 {PASSWORD} 提示已被使用")

    assert words in told
    assert await house.all(Ticket) == []


async def test_paid_but_not_delivered_is_a_ticket_of_its_own_and_no_claim(house: House) -> None:
    await house.sell(order_no="UN12CD34EF56GH78", status=OrderStatus.PAID_UNDELIVERED)
    buyer = house.buyer()

    await buyer.say("付款成功没发卡")
    await buyer.press("查我的订单")
    opened = await buyer.say(f"UN12CD34EF56GH78 {PASSWORD}")
    await buyer.say("UN12CD34EF56GH78")
    again = await buyer.press("没收到")

    ticket = await house.one(Ticket)
    assert (ticket.category, ticket.order_ref) == ("undelivered", "demo/UN12CD34EF56GH78")
    assert ticket.number in opened
    assert "已经在处理了" in again
    assert await house.all(Claim) == []


async def test_a_button_of_another_conversation_does_nothing(house: House) -> None:
    owner, thief = house.buyer("owner"), house.buyer("thief")
    await owner.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await thief.start()
    stolen = owner._front.channel._buttons[0]
    thief._front.channel._buttons = [stolen]

    answer = await thief.say("1")

    assert "已经失效" in answer
    assert await house.all(Claim) == []


async def test_a_second_buyer_of_the_same_code_gets_a_ticket_of_their_own_and_hears_of_no_other(house: House) -> None:
    first, second = house.buyer("first"), house.buyer("second")
    await first.say(f"{ORDER} {PASSWORD} 账号登不上")
    await first.press("****")

    await second.say(f"{ORDER} {PASSWORD} 账号登不上")
    told = await second.press("****")
    await second.say(f"{ORDER} 账号登不上")
    again = await second.press("****")

    assert "****-3VNP 需要同事核实一下。已登记工单 K-000002，前面还有 1 位，24 小时内一定给您答复" in told
    assert "****-3VNP 您已经报过了，我们正在处理。已登记工单 K-000002" in again
    assert "K-000001" not in told + again
    mine, theirs = await house.all(Ticket)
    assert mine.buyer_id != theirs.buyer_id
    heard = [message.ticket_id for message in await house.all(Message, direction="in") if message.ticket_id]
    assert heard == [mine.id, theirs.id, theirs.id]
    assert [note.ticket_id for note in await house.all(Message, is_note=True)] == [theirs.id, mine.id]


async def test_a_date_is_told_in_the_time_zone_of_the_shop_by_its_name(house: House) -> None:
    house.clock.now = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)  # the next day in Shanghai
    await house.sell("NIGHT-55555-CODES", order_no="NI98YX76WV54UT32")

    shown = await house.buyer().say(f"查订单 NI98YX76WV54UT32 {PASSWORD}")

    assert "日期：2026-03-03 01:30 (Asia/Shanghai)" in shown


@pytest.mark.parametrize(
    ("said", "words_kept"),
    [
        ([f"订单号 {ORDER} 查询密码 {PASSWORD}，提示已被使用 {CODE}", "****-3VNP"], "提示已被使用 ****-3VNP"),
        (["!卡密用不了", ORDER, PASSWORD, "****-3VNP", "0x80070422 该卡已被兑换"], "0x80070422 该卡已被兑换"),
        (["提示已被使用", "!卡密用不了", ORDER, PASSWORD, "****-3VNP"], "提示已被使用"),
        ([f"{ORDER} {PASSWORD} 提示已被使用", "****-3VNP"], "提示已被使用"),
        (["提示已被使用", "算了", "!卡密用不了", ORDER, PASSWORD, "****-3VNP", "!账号"], ""),
    ],
    ids=["with the order", "when asked", "before all", "with the bare number", "called off"],
)
async def test_what_the_page_said_is_kept_with_the_claim_in_the_buyers_words(
    house: House, said: list[str], words_kept: str
) -> None:
    buyer = house.buyer()
    await buyer.start()

    for words in said:
        await (buyer.press(words.lstrip("!")) if words[0] in "!*" else buyer.say(words))

    assert (await house.one(Claim)).error_text == words_kept
