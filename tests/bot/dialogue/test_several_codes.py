"""Several codes of one order, second rounds, and the screenshot that some products ask for."""

import re

import pytest
from sqlmodel import select

from bot.channels.port import Inbound, Kind
from shop.errors import ShopDown
from shop.tables import Product, Proof, Replacement, RevealLink
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tickets.screenshots import Screenshots
from tickets.tables import Claim, Conversation, Message, Ticket

MANY = "MM12CD34EF56GH78"
CODES = [f"MANYX-{letters}-{number}77ZQ" for number, letters in enumerate(("AKPWD", "BLQXE", "CMRYF", "DNSZG"), 1)]


async def reveal(house: House, text: str) -> str:
    """Open the link in a message; the new code."""
    found = re.search(r"/r/(\S+)", text)
    assert found is not None, text
    async with house.database.writing() as session:
        return (await house.claims.reveal(session, house.clock(), found[1], "192.0.2.1")).text


async def sell_many(house: House, count: int = 4) -> None:
    await house.sell(*CODES[:count], order_no=MANY)


async def ask_for_proof(house: House) -> None:
    async with house.database.writing() as session:
        for product in (await session.exec(select(Product))).all():
            product.proof = Proof.SCREENSHOT
            session.add(product)


async def test_codes_are_pressed_one_after_another_and_claimed_together(house: House) -> None:
    await sell_many(house)
    buyer = house.buyer()

    asked = await buyer.say(f"{MANY} {PASSWORD} 10 个里面 2 个不行，账号登不上")
    first = await buyer.press("****-77ZQ") if "还有别的" not in asked else ""
    buttons = await buyer.buttons()
    again = await buyer.press("****")
    told = await buyer.press("就这些")

    assert "哪几张" in asked
    assert "已选 1 张" in first
    assert "就这些" in buttons
    assert "全部用不了" in buttons
    assert "已选 2 张" in again
    assert "K-000001" in told
    assert len({claim.ticket_id for claim in await house.all(Claim)}) == 1
    assert len(await house.all(Claim)) == 2


async def test_the_reason_is_asked_once_for_all_of_them(house: House) -> None:
    await sell_many(house)
    buyer = house.buyer()
    await buyer.start()
    await buyer.press("卡密用不了")
    await buyer.say(MANY)
    await buyer.say(PASSWORD)

    one = await buyer.press("****")
    more = await buyer.press("还有别的也用不了")
    two = await buyer.press("****")
    told = await buyer.press("账号登不上")

    assert "是这笔订单的卡密。兑换时提示了什么" in one
    assert "已选 1 张" in more
    assert "这 2 张都是这笔订单的卡密" in two
    assert "K-000001" in told
    assert {claim.reason for claim in await house.all(Claim)} == {"account_problem"}
    assert len(await house.all(Claim)) == 2


@pytest.mark.parametrize("between", ["\n", "，", " "], ids=["lines", "commas", "blanks"])
async def test_pasted_codes_are_replaced_each_by_a_link_of_its_own(house: House, between: str) -> None:
    await sell_many(house)
    buyer = house.buyer()
    await buyer.say(f"{MANY} {PASSWORD} 提示已被使用")

    told = await buyer.say(between.join(CODES[1:3]))

    assert "已为您补发 2 张新卡" in told
    assert len(re.findall("https://kadesk.test/r/", told)) == 2
    links = [message.link_id for message in await house.all(Message) if message.link_id]
    assert len(set(links)) == 2
    assert len(await house.all(Replacement)) == 2
    assert await house.all(Ticket) == []
    texts = [message.text for message in await house.all(Message)]
    assert not any(code in text for code in CODES for text in texts)


async def test_what_does_not_fit_is_counted_and_the_rest_is_claimed(house: House) -> None:
    await sell_many(house)
    buyer = house.buyer()
    await buyer.say(f"{MANY} {PASSWORD} 提示已被使用")

    told = await buyer.say(f"{CODES[0]}\nQQQQQ-77777-WWWWW")

    assert "有 1 段和这笔订单发出的卡密对不上" in told
    assert len(await house.all(Replacement)) == 1


async def test_a_block_of_guesses_is_counted_one_by_one(house: House) -> None:
    await sell_many(house)
    buyer = house.buyer()
    await buyer.say(f"{MANY} {PASSWORD} 提示已被使用")

    await buyer.say("\n".join(f"QQQQQ-7777{number}-WWWWW" for number in range(10)))

    assert (await house.one(Ticket)).level == 1
    assert await house.all(Claim) == []


@pytest.mark.parametrize("words", ["全部都不行", "4张都用不了", "all of them"])
async def test_all_of_them_in_one_word(house: House, words: str) -> None:
    await sell_many(house)
    buyer = house.buyer()
    await buyer.say(f"{MANY} {PASSWORD} 账号登不上")

    await buyer.say(words)

    claims = await house.all(Claim)
    assert (len(claims), len({claim.ticket_id for claim in claims})) == (4, 1)


async def test_what_the_pool_lacks_is_promised_beside_the_link(house: House) -> None:
    await house.hire()
    await house.stock("XBOX", "Xbox 月卡", reserve=["SPARE-33333-CCCCC"])
    await sell_many(house, 2)
    buyer = house.buyer()
    await buyer.say(f"{MANY} {PASSWORD} 提示已被使用")

    told = await buyer.press("全部用不了")

    assert len(re.findall("https://kadesk.test/r/", told)) == 1
    assert "备用卡刚好用完" in told
    assert "已登记工单 K-" in told


async def test_an_order_of_one_code_asks_for_no_others(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD}")

    await buyer.press("卡密用不了")
    asked = await buyer.press("****")

    assert "兑换时提示了什么" in asked
    assert not any("还有别的" in label or "全部" in label for label in await buyer.buttons())


async def test_where_no_code_can_be_pressed_nobody_is_asked_to_press_one(house: House) -> None:
    await house.sell(*(f"LONGX-{number}7KWD-{number}3PQZ" for number in range(1, 10)), order_no=MANY)
    buyer = house.buyer()
    asked = await buyer.say(f"{MANY} {PASSWORD} 提示已被使用")

    again = await buyer.say("就这些")

    assert "一行一张" in asked
    assert "一行一张" in again
    assert "点出" not in again


# The next round


async def test_a_replacement_that_fails_is_claimed_without_proving_anything_again(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await reveal(house, await buyer.press("****-3VNP"))

    asked = await buyer.say("还是不行")
    replaced = await buyer.press("已被使用")

    assert "兑换时提示了什么" in asked
    assert "补发一张新卡" in replaced
    assert [claim.round for claim in await house.all(Claim)] == [1, 2]


async def test_with_its_reason_in_the_words_the_second_round_is_one_message(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await reveal(house, await buyer.press("****-3VNP"))

    replaced = await buyer.say("新卡也不行，提示已被使用")

    assert "https://kadesk.test/r/" in replaced


async def test_a_link_that_was_not_opened_comes_again_when_it_still_fails(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await buyer.press("****-3VNP")

    again = await buyer.say("还是用不了")

    assert "重新发给您" in again
    assert len(await house.all(Replacement)) == 1


async def test_the_third_round_comes_to_a_person(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await reveal(house, await buyer.press("****-3VNP"))
    await reveal(house, await buyer.say("新卡也不行，提示已被使用"))

    told = await buyer.say("还是不行，提示已被使用")

    assert "补发的卡又出了问题" in told
    assert "已登记工单 K-" in told
    assert [claim.round for claim in await house.all(Claim)] == [1, 2, 3]


async def test_who_has_a_persons_ear_says_it_to_the_person(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await reveal(house, await buyer.press("****-3VNP"))
    await buyer.say("转人工")
    agent, ticket = await house.hire(), await house.one(Ticket)
    async with house.database.writing() as session:
        await house.desk.take(session, house.clock(), ticket.id, agent)

    told = await buyer.say("还是不行")

    assert "兑换时提示了什么" not in told
    assert (await house.all(Message, text="还是不行"))[0].ticket_id == ticket.id


async def test_a_stranger_who_says_so_learns_nothing(house: House) -> None:
    owner, stranger = house.buyer("owner"), house.buyer("stranger")
    await owner.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await owner.press("****-3VNP")

    told = await stranger.say("还是不行")

    assert ORDER not in told
    assert "****" not in told
    assert len(await house.all(RevealLink)) == 1


# The screenshot


async def test_a_product_may_ask_for_a_screenshot_first(house: House) -> None:
    await ask_for_proof(house)
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")

    asked = await buyer.press("****-3VNP")
    again = (await buyer.say(f"{ORDER} 提示已被使用"), await buyer.press("****-3VNP"))[1]

    assert "截图" in asked
    assert "2 天内" in asked
    assert "截图" in again
    claim = await house.one(Claim)
    assert (claim.state, claim.ticket_id, claim.outcome) == ("evidence", None, None)
    assert await house.all(Replacement) == []


@pytest.mark.parametrize("words", ["没有截图", "I don't have a screenshot"])
async def test_without_a_screenshot_a_person_looks(house: House, words: str) -> None:
    await ask_for_proof(house)
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await buyer.press("****-3VNP")

    told = await buyer.say(words)

    assert "K-000001" in told
    claim = await house.one(Claim)
    assert (claim.state, claim.why) == ("review", "no_proof")


async def test_who_asks_for_a_person_takes_the_claim_along(house: House) -> None:
    await ask_for_proof(house)
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await buyer.press("****-3VNP")

    await buyer.say("转人工")

    ticket = await house.one(Ticket)
    assert ((await house.one(Claim)).ticket_id, ticket.level) == (ticket.id, 1)


async def send_picture(house: House, kind: Kind = Kind.PHOTO, text: str = "") -> None:
    """From the conversation that there is."""
    place = await house.one(Conversation)
    inbound = Inbound(
        place.channel,
        place.account,
        place.address,
        "picture-1",
        kind,
        house.clock(),
        text=text,
        attachments=({"kind": "photo"},),
    )
    async with house.database.reading() as session:
        heard = await house.dialogue.set_scene(session, house.clock(), inbound)
    looked = await house.dialogue.look_up(heard, inbound)
    async with house.database.writing() as session:
        await house.dialogue.answer(session, house.clock(), inbound, looked)


@pytest.mark.parametrize("text", ["", f"这是截图 {CODE}"], ids=["alone", "with a caption"])
async def test_the_picture_that_comes_moves_the_claim_on(house: House, text: str) -> None:
    await ask_for_proof(house)
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await buyer.press("****-3VNP")
    await buyer.say("要等多久")

    await send_picture(house, text=text)
    told = await buyer.news()

    assert "截图收到了" in told
    assert "https://kadesk.test/r/" in told
    assert (await house.one(Claim)).outcome == "replace"
    texts = [message.text for message in await house.all(Message)]
    assert not any(CODE in one for one in texts)


async def test_a_picture_while_the_shop_is_away_is_looked_at_by_a_person(house: House) -> None:
    await ask_for_proof(house)
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await buyer.press("****-3VNP")
    shop = house.dialogue._shop
    house.dialogue._shop = AwayShop()

    await send_picture(house)
    house.dialogue._shop = shop

    assert "店铺系统暂时没有回应" in await buyer.news()
    claim = await house.one(Claim)
    assert (claim.state, claim.why) == ("review", "shop_away")


class AwayShop:
    name = "demo"

    async def find_order(self, order_no: str) -> None:
        raise ShopDown(shop=self.name)


async def test_a_picture_that_nobody_asked_for_moves_nothing(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 账号登不上")
    await buyer.press("****-3VNP")

    await send_picture(house)

    assert "截图收到了" not in await buyer.news()
    assert (await house.one(Claim)).state == "review"


@pytest.mark.parametrize(("is_sent", "told"), [(True, "截图收到了"), (False, "没有截图也没关系")])
async def test_what_staff_asked_for_goes_to_them(house: House, is_sent: bool, told: str) -> None:
    await ask_for_proof(house)
    lin, buyer = await house.hire(), house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await buyer.press("****-3VNP")
    await buyer.press("没有截图")
    ticket, claim = await house.one(Ticket), await house.one(Claim)
    async with house.database.writing() as session:
        await Screenshots(house.claims).ask(session, house.clock(), ticket.id, lin, claim.id, "请发截图。")

    if is_sent:
        await send_picture(house)
    answer = await buyer.news() if is_sent else await buyer.say("我没有截图")

    claim = await house.one(Claim)
    assert told in answer
    assert ticket.number in answer
    assert (claim.state, claim.outcome, claim.ticket_id) == ("review", None, ticket.id)
    assert (await house.one(Ticket)).phase == "open"


async def test_who_asks_how_it_stands_hears_what_is_waited_for(house: House) -> None:
    await ask_for_proof(house)
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await buyer.press("****-3VNP")

    alone = await buyer.say("我的工单")
    await buyer.say("转人工")
    with_a_person = await buyer.say("我的工单")

    assert "****-3VNP 在等您的截图" in alone
    assert "没有处理中的工单" not in alone
    assert "截图" not in with_a_person
    assert "K-000001" in with_a_person


async def test_the_second_round_asks_for_no_screenshot(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 提示已被使用")
    await reveal(house, await buyer.press("****-3VNP"))
    await ask_for_proof(house)

    replaced = await buyer.say("新卡也不行，提示已被使用")

    assert "https://kadesk.test/r/" in replaced


def test_the_code_that_is_sold_is_none_of_these() -> None:
    assert CODE not in CODES


# Codes that another buyer claims, too


async def claim(house: House, name: str, *buttons: str) -> str:
    buyer = house.buyer(name)
    told = await buyer.say(f"{MANY} {PASSWORD} 账号登不上")
    for button in buttons:
        told = await buyer.press(button)
    return told


async def test_codes_that_others_claim_come_to_people_on_one_ticket(house: House) -> None:
    await sell_many(house)
    await claim(house, "小陈", "全部用不了")

    told = await claim(house, "小周", "全部用不了")

    assert told.count("已登记工单") == 1
    assert "K-000002" in told
    assert "K-000001" not in told
    _, second = await house.all(Ticket)
    assert [one.ticket_id for one in await house.all(Claim, conversation_id=2)] == [second.id] * 4
    notes = await house.all(Message, is_note=True)
    assert sorted((note.ticket_id, re.findall(r"K-\d+", note.text)) for note in notes) == [
        (1, ["K-000002"]),
        (2, ["K-000001"]),
    ]


async def test_several_codes_are_named_as_the_buyers_language_lists_them(house: House) -> None:
    await sell_many(house)
    english, chinese = house.buyer("Ann"), house.buyer("小周")

    told = [await english.say(f"hello, my order is {MANY} {PASSWORD}"), await chinese.say(f"查订单 {MANY} {PASSWORD}")]

    assert "****-77ZQ, ****-77ZQ" in told[0]
    assert "****-77ZQ、****-77ZQ" in told[1]


async def test_what_others_claim_in_a_second_go_joins_the_ticket_of_the_first(house: House) -> None:
    await sell_many(house)
    await claim(house, "小陈", "全部用不了")

    for _ in range(2):
        told = await claim(house, "小周", "****", "就这些")
    again = await claim(house, "小周", "全部用不了")

    assert "K-000002" in told
    assert "K-000002" in again
    assert len(await house.all(Ticket)) == 2
    assert len(await house.all(Claim, conversation_id=2)) == 4


async def test_each_of_several_who_claim_the_codes_first_is_named_once(house: House) -> None:
    await house.hire()
    await sell_many(house)
    await claim(house, "小陈", "****", "就这些")
    await claim(house, "小李", "全部用不了")

    told = await claim(house, "小周", "全部用不了")

    claims = await house.all(Claim)
    numbers = list(dict.fromkeys(one.ticket_id for one in claims))
    assert [len([one for one in claims if one.ticket_id == number]) for number in numbers] == [1, 3, 1, 4]
    tickets = {ticket.id: ticket.number for ticket in await house.all(Ticket)}
    assert told.count("已登记工单") == 1
    assert tickets[numbers[-1]] in told
    notes = [note.text for note in await house.all(Message, is_note=True, ticket_id=numbers[-1])]
    assert {name for text in notes for name in re.findall(r"K-\d+", text)} == {tickets[numbers[0]], tickets[numbers[1]]}
    assert len(notes) == 2
