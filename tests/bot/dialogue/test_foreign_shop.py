"""A shop beside us, whose codes stand in no table of ours: what it tells of them goes with the claim."""

from dataclasses import replace
from datetime import timedelta

from shop.errors import ShopDown
from shop.port import (
    Answer,
    CodeRef,
    Goods,
    Order,
    OrderStatus,
    Origin,
    Power,
    Powerless,
    ProofWay,
    Reply,
)
from shop.tables import Batch, Supplier
from tests.bot.conftest import PASSWORD, House
from tickets.tables import Claim, Level, Ticket

NUMBER = "FS12CD34EF56GH78"


class Abroad(Powerless):
    """Two codes of one batch; it may be silent about where they came from."""

    name = "abroad"
    powers = frozenset({Power.PROVE_OWNER, Power.ORIGIN})

    def __init__(self, house: House) -> None:
        goods, now = Goods("GAME-1", "点卡", 1_000, "CNY", timedelta(days=7)), house.clock()
        prints = [house.vault.fingerprint(f"ABROAD-{number}-CODE-77ZQ") for number in range(2)]
        codes = tuple(CodeRef(print_, f"****-77Z{at}", at) for at, print_ in enumerate(prints, start=1))
        self.order = Order(self.name, NUMBER, OrderStatus.DELIVERED, goods, 2, 2_000, 0, now, now, codes)
        self.is_silent, self.asked = False, 0

    async def find_order(self, order_no: str) -> Order | None:
        return replace(self.order) if order_no == NUMBER else None

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        return ProofWay.QUERY_PASSWORD if proof == PASSWORD else None

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        self.asked += 1
        if self.is_silent:
            raise ShopDown(shop=self.name)
        return Reply(Answer.DONE, Origin("上游一号", "B-7", cost=800))


async def claim_all(house: House, *, is_silent: bool = False) -> Abroad:
    house.dialogue._shop = shop = Abroad(house)
    shop.is_silent = is_silent
    buyer = house.buyer()
    await buyer.say(f"{NUMBER} {PASSWORD} 账号登不上")
    await buyer.press("全部用不了")
    return shop


async def test_the_shop_is_asked_once_a_code_and_its_word_goes_with_the_claim(house: House) -> None:
    shop = await claim_all(house)

    batch, supplier = await house.one(Batch, name="B-7"), await house.one(Supplier, name="上游一号")
    claims = await house.all(Claim)
    assert (shop.asked, len(claims)) == (2, 2)
    assert {(claim.supplier_id, claim.batch_id) for claim in claims} == {(supplier.id, batch.id)}


async def test_nobody_waits_for_a_shop_that_does_not_tell(house: House) -> None:
    await claim_all(house, is_silent=True)

    claims = await house.all(Claim)
    assert [(claim.state, claim.supplier_id) for claim in claims] == [("review", None)] * 2


async def test_what_a_person_delivered_has_no_code_to_compare_and_goes_to_a_person(house: House) -> None:
    house.dialogue._shop = shop = Abroad(house)
    shop.order = replace(shop.order, codes=())
    buyer = house.buyer()

    told = await buyer.say(f"{NUMBER} {PASSWORD} 账号登不上")
    again = await buyer.say(f"{NUMBER} 账号登不上")

    assert "没有可以自动核对的卡密" in told
    assert all("K-000001" in said for said in (told, again))
    assert [ticket.level for ticket in await house.all(Ticket)] == [Level.HUMAN_QUEUE]
