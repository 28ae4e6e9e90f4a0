"""Too many wrong proofs: who is locked, and what the shop hears of it."""

from typing import Any

import pytest

from bot.dialogue import Dialogue
from bot.fakes.buyer import Buyer, TerminalFront
from shop.port import CodeCheck, Order, ProofWay
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tickets.ownership import Ownership, OwnershipRules
from tickets.tables import Notice, OrderBinding, OwnershipMiss

OTHER = "ZZ98YX76WV54UT32"


class Counting:
    """A shop that counts the proofs that it is shown."""

    name = "demo"

    def __init__(self, shop: Any) -> None:
        self._shop = shop
        self.proofs = 0

    async def find_order(self, order_no: str) -> Order | None:
        found: Order | None = await self._shop.find_order(order_no)
        return found

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        self.proofs += 1
        way: ProofWay | None = await self._shop.prove_owner(order_no, proof)
        return way

    async def check_code(self, order_no: str, code: str) -> CodeCheck:
        check: CodeCheck = await self._shop.check_code(order_no, code)
        return check


class Counted:
    """The house with a counting shop."""

    def __init__(self, house: House, rules: OwnershipRules | None = None) -> None:
        self.house = house
        self.shop = Counting(house.shop)
        self.dialogue = Dialogue(
            desk=house.desk,
            claims=house.claims,
            ownership=Ownership(house.vault, rules or OwnershipRules()),
            shop=self.shop,
            answers=house.dialogue._parts.answers,
            phrases=house.phrases,
        )

    def buyer(self, name: str) -> Buyer:
        front = TerminalFront(name, self.house.door.accept, self.house.clock)
        inbox = self.house.inbox(front.channel, dialogue=self.dialogue)
        delivery = self.house.delivery(front.channel)

        async def work() -> None:
            await inbox.drain()
            await delivery.drain()

        return Buyer(front, work)


@pytest.fixture
def counted(house: House) -> Counted:
    return Counted(house)


async def guess(buyer: Buyer, times: int, order_no: str = ORDER) -> list[str]:
    return [await buyer.say(f"{order_no} wrong{number}pass") for number in range(times)]


async def test_a_locked_identity_shows_the_shop_no_more_proofs(counted: Counted) -> None:
    buyer = counted.buyer("guesser")
    await guess(buyer, 5)
    shown = counted.shop.proofs

    answers = [*await guess(buyer, 2), await buyer.say(f"{ORDER} {PASSWORD}"), await buyer.say(f"{OTHER} {PASSWORD}")]

    assert shown == 5
    assert counted.shop.proofs == 5
    assert all("输错的次数太多" in answer for answer in answers)
    assert len(await counted.house.all(OwnershipMiss)) == 5
    assert await counted.house.all(OrderBinding) == []


async def test_a_stranger_cannot_lock_the_owner_out(counted: Counted) -> None:
    await guess(counted.buyer("stranger"), 5)

    opened = await counted.buyer("owner").say(f"{ORDER} {PASSWORD}")

    assert "Steam 50元充值卡" in opened


async def test_who_misses_their_one_try_on_a_locked_order_waits_like_everybody(counted: Counted) -> None:
    await guess(counted.buyer("stranger"), 5)
    second = counted.buyer("second")

    missed = await guess(second, 1)
    refused = await second.say(f"{ORDER} {PASSWORD}")

    assert "输错的次数太多" in missed[0]
    assert "输错的次数太多" in refused
    assert counted.shop.proofs == 6


async def test_known_and_unknown_orders_lock_alike(counted: Counted) -> None:
    answers = {}
    for number in (ORDER, "QQ12CD34EF56GH78"):
        await guess(counted.buyer(f"stranger of {number}"), 5, number)
        second = counted.buyer(f"second of {number}")
        answers[number] = [*await guess(second, 2, number)]

    assert len({tuple(told) for told in answers.values()}) == 1


async def test_a_crowd_of_guessers_has_one_try_each_and_staff_are_told_once(house: House) -> None:
    await house.hire()
    counted = Counted(house, OwnershipRules(crowd_all=3))
    guessers = [counted.buyer(f"guesser-{number}") for number in range(5)]

    first = [(await guess(guesser, 1, f"QQ12CD34EF56GH7{number}"))[0] for number, guesser in enumerate(guessers)]
    opened = await counted.buyer("owner").say(f"{ORDER} {PASSWORD}")

    assert ["输错的次数太多" in answer for answer in first] == [False, False, True, True, True]
    assert "Steam 50元充值卡" in opened
    assert "有人在猜订单密码" in (await house.one(Notice)).text


async def test_when_the_lock_ends_while_we_look_the_proof_is_asked_for_again(counted: Counted) -> None:
    house, buyer = counted.house, counted.buyer("guesser")
    await guess(buyer, 5)
    look_up = counted.dialogue.look_up

    async def dawdle(heard: Any, inbound: Any) -> Any:
        house.clock.advance(minutes=11)
        return await look_up(heard, inbound)

    counted.dialogue.look_up = dawdle  # type: ignore[method-assign]

    answer = await buyer.say(f"{ORDER} {PASSWORD}")

    assert "请发这笔订单的查询密码" in answer
    assert len(await house.all(OwnershipMiss)) == 5
    assert CODE not in answer
