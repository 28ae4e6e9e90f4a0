"""An order proved by a code that is mailed to its address, and what strangers cannot learn by asking for one."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlmodel import col

from audit.tables import AuditRow
from bot.dialogue import Dialogue
from bot.fakes.buyer import Buyer, TerminalFront
from shop.port import Contact, Reply
from shop.tables import ShopOrder
from tests.bot.conftest import ORDER, PASSWORD, House
from tickets.letters import Letter, send_letters
from tickets.mailed_codes import MailedCodes, MailRules
from tickets.ownership import Ownership, OwnershipRules
from tickets.tables import Mail, MailedCode, Message, OrderBinding, OwnershipMiss
from tickets.turns import take_turn

ADDRESS = "chen@qq.example"
WITHOUT, UNKNOWN = "ZZ98YX76WV54UT32", "ZZ98YX76WV54UT33"


@dataclass
class Post:
    """The house with a mail server, whose letters land here."""

    house: House
    letters: list[Letter]

    def buyer(self, name: str = "小陈", **changes: Any) -> Buyer:
        house = self.house
        facts = {
            "desk": house.desk,
            "claims": house.claims,
            "ownership": house.dialogue._parts.ownership,
            "shop": house.shop,
            "answers": house.dialogue._parts.answers,
            "phrases": house.phrases,
            "mails": MailedCodes(house.vault, house.phrases, "星卡商城", MailRules(per_order=2)),
        }
        dialogue = Dialogue(**(facts | changes))
        front = TerminalFront(name, house.door.accept, house.clock)
        inbox, delivery = house.inbox(front.channel, dialogue=dialogue), house.delivery(front.channel)

        async def work() -> None:
            await inbox.drain()
            await delivery.drain()

        return Buyer(front, work)

    async def deliver(self, letter: Letter) -> None:
        self.letters.append(letter)

    async def code(self) -> str:
        """The code of the letter that came last."""
        await send_letters(self.house.database, self.house.clock, self.house.vault, self, self.house.desk)
        return re.findall(r"^\d{6}$", self.letters[-1].text, re.MULTILINE)[0]


@pytest.fixture
async def post(house: House) -> Post:
    async with house.database.writing() as session:
        await session.exec(update(ShopOrder).where(col(ShopOrder.order_no) == ORDER).values(contact=ADDRESS))
    await house.sell("OTHER-11111-AAAAA", order_no=WITHOUT)
    return Post(house, [])


async def ask(buyer: Buyer, order_no: str = ORDER) -> str:
    await buyer.press("查我的订单")
    await buyer.say(order_no)
    return await buyer.press("发验证码到邮箱")


async def test_the_mailed_code_opens_the_order_and_is_kept_nowhere(post: Post) -> None:
    buyer = post.buyer()
    await buyer.start()

    told = await ask(buyer)
    code = await post.code()
    shown = await buyer.say(f"验证码是 {code}")

    assert "c***@q**.example" in told
    assert ADDRESS not in told
    (letter,) = post.letters
    assert (letter.address, letter.subject) == (ADDRESS, "星卡商城：您的查单验证码")
    assert "****-GH78" in letter.text
    assert f"订单 {ORDER}" in shown
    assert (await post.house.one(OrderBinding)).way == "mailed_code"
    stored = [await post.house.all(table) for table in (Message, AuditRow, Mail, MailedCode)]
    assert not any(secret in f"{stored}" for secret in (f" {code}", f"'{code}'", ADDRESS))


async def test_the_letter_and_the_words_are_in_the_buyers_language(post: Post) -> None:
    buyer = post.buyer("joe")
    await buyer.start()
    await buyer.say("How do I find my order")
    await buyer.say(f"order {ORDER}")

    told = await buyer.say("please email me a code")
    await post.code()

    assert "a mail with a 6-digit code is on its way" in told
    assert post.letters[0].subject == "星卡商城: the code that shows an order is yours"


async def test_a_code_opens_nothing_for_another_buyer_and_trying_it_is_a_miss(post: Post) -> None:
    owner, thief = post.buyer(), post.buyer("thief")
    for buyer in (owner, thief):
        await buyer.start()
    await ask(thief)
    await post.code()
    await ask(owner)
    code = await post.code()

    refused = await thief.say(code)
    await owner.say(code)

    assert "验证码或密码对不上" in refused
    assert await thief.buttons() == ["没收到，再发一次", "换一个订单号", "转人工"]
    assert len(await post.house.all(OwnershipMiss)) == 1
    assert len(await post.house.all(OrderBinding)) == 1


async def test_the_password_proves_as_before_while_a_code_is_awaited(post: Post) -> None:
    buyer = post.buyer()
    await buyer.start()
    await ask(buyer)

    assert f"订单 {ORDER}" in await buyer.say(PASSWORD)


async def test_a_locked_buyer_opens_nothing_by_a_code_and_gets_no_other(post: Post) -> None:
    buyer = post.buyer(ownership=Ownership(post.house.vault, OwnershipRules(lock_after=1)))
    await buyer.start()
    await ask(buyer)
    code = await post.code()
    told = [await buyer.say("000000x")]
    post.house.clock.advance(minutes=2)
    told += [await buyer.say(f"{ORDER} {code}"), await buyer.say(ORDER)]

    assert all("输错的次数太多了" in text for text in told)
    assert await post.house.all(OrderBinding) == []
    assert len(await post.house.all(Mail)) == 1


async def test_more_codes_than_the_limit_are_not_sent_and_the_buyer_is_told_when(post: Post) -> None:
    buyer = post.buyer()
    await buyer.start()
    told = [await ask(buyer)]
    for minutes in (0.5, 5, 5):
        post.house.clock.advance(minutes=minutes)
        told.append(await buyer.press("再发一次"))

    assert ["正在发往" in text for text in told] == [True, True, True, False]
    assert "请过 50 分钟再要" in told[-1]
    assert len(await post.house.all(Mail)) == 2


async def test_without_mail_or_a_shop_that_tells_addresses_none_is_offered(post: Post) -> None:
    class Silent(type(post.house.shop)):  # type: ignore[misc]
        powers = frozenset()

    silent = Silent(post.house.database, post.house.vault)
    for name, changes in (("a", {"mails": None}), ("b", {"shop": silent})):
        buyer = post.buyer(name, **changes)
        await buyer.start()
        await buyer.press("查我的订单")
        await buyer.say(ORDER)
        assert await buyer.buttons() == ["这是卡密，不是订单号", "转人工"]
        assert "请发这笔订单的查询密码" in await buyer.say("发验证码到邮箱")


async def tell_all(post: Post, order_no: str, **changes: Any) -> tuple[list[str], int]:
    """What a stranger hears of an order number, without what differs by design; and the statements that it took."""
    statements = 0

    def count(*facts: Any) -> None:
        nonlocal statements
        statements += 1

    buyer = post.buyer(f"stranger of {order_no}", **changes)
    await buyer.start()
    await buyer.press("查我的订单")
    await buyer.say(order_no)
    event.listen(post.house.database.engine.sync_engine, "before_cursor_execute", count)
    heard = [await buyer.press("发验证码到邮箱"), await buyer.say("123456"), f"{await buyer.buttons()}"]
    event.remove(post.house.database.engine.sync_engine, "before_cursor_execute", count)
    return [re.sub(r"\w\*{3}@\w\*{2}\.\w+", "MASK", text) for text in heard], statements


async def check_that_strangers_learn_nothing(post: Post, **changes: Any) -> None:
    async with post.house.database.writing() as session:  # whoever is the first to take it makes it
        await take_turn(session, post.house.clock(), "mailed codes")

    known, without, unknown = [await tell_all(post, number, **changes) for number in (ORDER, WITHOUT, UNKNOWN)]

    assert known == without == unknown
    assert "MASK" in known[0][0]


async def test_known_and_unknown_orders_sound_and_cost_the_same(post: Post) -> None:
    await check_that_strangers_learn_nothing(post)


async def test_the_check_fails_when_the_shop_gives_unknown_orders_away(post: Post) -> None:
    class Honest(type(post.house.shop)):  # type: ignore[misc]
        async def contact_of(self, order_no: str) -> Reply[Contact]:
            reply = await super().contact_of(order_no)
            return reply if reply.value.address else Reply(reply.answer, Contact("nobody"))

    with pytest.raises(AssertionError):
        await check_that_strangers_learn_nothing(post, shop=Honest(post.house.database, post.house.vault))
