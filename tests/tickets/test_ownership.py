"""Bindings, misses and locks."""

from datetime import datetime, timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.port import Goods, Order, OrderStatus, ProofWay
from shop.vault import Vault
from tests.tickets.conftest import Floor
from tickets.ownership import Ownership, OwnershipRules
from tickets.tables import Notice, OrderBinding, OwnershipMiss, Role

MINUTE = timedelta(minutes=1)
ORDER_NO = "AB12CD34EF56GH78"
ORDER = Order(
    shop="demo",
    order_no=ORDER_NO,
    status=OrderStatus.DELIVERED,
    goods=Goods("STEAM-50", "Steam 50元充值卡", 4850, "CNY", timedelta(days=30)),
    quantity=1,
    paid=4850,
    refunded=0,
    paid_at=None,
    delivered_at=None,
)


@pytest.fixture
def ownership(vault: Vault) -> Ownership:
    return Ownership(vault)


async def identity(floor: Floor, address: str) -> int:
    return (await floor.meet(address)).identity_id


async def miss(floor: Floor, ownership: Ownership, who: int, *minutes: int, order_no: str = ORDER_NO) -> None:
    for minute in minutes:
        await floor.do(ownership.miss, who, order_no, at=floor.now + minute * MINUTE)


async def locked(
    floor: Floor, ownership: Ownership, who: int, minute: float, order_no: str = ORDER_NO
) -> datetime | None:
    return await floor.do(ownership.locked_until, who, order_no, at=floor.now + minute * MINUTE)


async def test_five_misses_lock_for_ten_minutes_from_the_fifth(floor: Floor, ownership: Ownership) -> None:
    who = await identity(floor, "guesser")

    await miss(floor, ownership, who, 0, 1, 2, 3)
    after_four = await locked(floor, ownership, who, 3)
    await miss(floor, ownership, who, 4)

    assert after_four is None
    assert await locked(floor, ownership, who, 4) == floor.now + 14 * MINUTE
    assert await locked(floor, ownership, who, 13.99) == floor.now + 14 * MINUTE
    assert await locked(floor, ownership, who, 14) is None


async def test_after_a_lock_one_more_miss_locks_again_until_the_old_ones_are_forgotten(
    floor: Floor, ownership: Ownership
) -> None:
    who = await identity(floor, "guesser")
    await miss(floor, ownership, who, 0, 0, 0, 0, 0)

    await miss(floor, ownership, who, 20)
    assert await locked(floor, ownership, who, 20) == floor.now + 30 * MINUTE

    await miss(floor, ownership, who, 75)
    assert await locked(floor, ownership, who, 75) is None


async def test_an_identity_is_locked_over_all_orders(floor: Floor, ownership: Ownership) -> None:
    who, other = await identity(floor, "guesser"), await identity(floor, "other")
    for number in range(5):
        await miss(floor, ownership, who, 0, order_no=f"ORDER-{number}")

    assert await locked(floor, ownership, who, 0, "ANOTHER") is not None
    assert await locked(floor, ownership, other, 0, "ANOTHER") is None


async def crowd(floor: Floor, ownership: Ownership, size: int, order_no: str = ORDER_NO) -> None:
    """One miss each of many identities."""
    for number in range(size):
        await miss(floor, ownership, await identity(floor, f"guesser-{number}"), 0, order_no=order_no)


@pytest.mark.parametrize("order_no", [ORDER_NO, "no such order"], ids=["known", "unknown"])
async def test_a_locked_order_lets_who_has_missed_nothing_try_once(
    floor: Floor, ownership: Ownership, order_no: str
) -> None:
    await crowd(floor, ownership, 5, order_no)
    owner = await identity(floor, "owner")

    before = await locked(floor, ownership, owner, 0, order_no)
    await miss(floor, ownership, owner, 1, order_no=order_no)

    assert before is None
    assert await locked(floor, ownership, owner, 1, order_no) == floor.now + 11 * MINUTE
    assert await locked(floor, ownership, owner, 1, "ANOTHER") is None


async def test_a_miss_elsewhere_is_a_miss_of_its_own(floor: Floor, ownership: Ownership) -> None:
    await crowd(floor, ownership, 5)
    who = await identity(floor, "guesser")

    await miss(floor, ownership, who, 0, order_no="ANOTHER")

    assert await locked(floor, ownership, who, 0) is not None


async def test_whoever_was_never_met_may_try_a_locked_order(floor: Floor, ownership: Ownership) -> None:
    await crowd(floor, ownership, 5)

    assert await floor.do(ownership.locked_until, None, ORDER_NO) is None


async def test_a_crowd_of_newcomers_locks_an_order_for_everybody(floor: Floor, vault: Vault) -> None:
    ownership = Ownership(vault, OwnershipRules(crowd=8))
    owner = await identity(floor, "owner")

    await crowd(floor, ownership, 7)
    before = await locked(floor, ownership, owner, 0)
    await miss(floor, ownership, await identity(floor, "the eighth"), 0)

    assert before is None
    assert await locked(floor, ownership, owner, 0) == floor.now + 10 * MINUTE
    assert await locked(floor, ownership, owner, 10) is None


async def check_that_a_crowd_is_slowed(floor: Floor, ownership: Ownership) -> None:
    """Six identities, each with an order of its own: none is locked by what it did itself."""
    for number in range(6):
        await miss(floor, ownership, await identity(floor, f"guesser-{number}"), number, order_no=f"ORDER-{number}")

    assert await locked(floor, ownership, await identity(floor, "guesser-5"), 6, "ANOTHER") == floor.now + 15 * MINUTE
    assert await locked(floor, ownership, await identity(floor, "guesser-5"), 15, "ANOTHER") is None


async def test_a_crowd_over_all_orders_locks_whoever_has_missed_once(floor: Floor, vault: Vault) -> None:
    await check_that_a_crowd_is_slowed(floor, Ownership(vault, OwnershipRules(crowd_all=6)))


async def test_the_check_of_the_crowd_fails_when_nobody_counts_everybody(floor: Floor, vault: Vault) -> None:
    class Blind(Ownership):
        async def is_crowded(self, session: AsyncSession, now: datetime) -> bool:
            return False

    with pytest.raises(AssertionError):
        await check_that_a_crowd_is_slowed(floor, Blind(vault, OwnershipRules(crowd_all=6)))


async def test_a_crowd_keeps_no_newcomer_out_and_is_forgotten(floor: Floor, vault: Vault) -> None:
    ownership = Ownership(vault, OwnershipRules(crowd_all=3))
    newcomer = await identity(floor, "newcomer")
    for number in range(3):
        await miss(floor, ownership, await identity(floor, f"guesser-{number}"), 0, order_no=f"ORDER-{number}")

    at_first = await locked(floor, ownership, newcomer, 1)
    await miss(floor, ownership, newcomer, 59)

    assert at_first is None
    assert await locked(floor, ownership, newcomer, 59) == floor.now + 69 * MINUTE
    assert await locked(floor, ownership, newcomer, 60) is None


async def test_a_manager_is_told_of_a_crowd_once_a_day(floor: Floor, vault: Vault) -> None:
    ownership = Ownership(vault, OwnershipRules(crowd_all=3))
    boss = await floor.hire("boss", Role.MANAGER)
    who = await identity(floor, "guesser")

    told = []
    for minute in (0, 1, 2, 3, 24 * 60 + 1, 24 * 60 + 2, 24 * 60 + 3):
        await miss(floor, ownership, who, minute)
        told.append(await floor.do(ownership.warn, floor.desk, at=floor.now + minute * MINUTE))

    assert told == [False, False, True, False, False, False, True]
    assert [notice.agent_id for notice in await floor.all(Notice)] == [boss, boss]


async def test_spelling_an_order_number_otherwise_is_no_way_round(floor: Floor, ownership: Ownership) -> None:
    for number, spelling in enumerate(("ab12cd34", "AB12-CD34", "ＡＢ１２ＣＤ３４", " ab12 cd34 ", "AB12CD34")):
        await miss(floor, ownership, await identity(floor, f"guesser-{number}"), 0, order_no=spelling)

    assert await locked(floor, ownership, await identity(floor, "guesser-0"), 0, "AB12CD34") is not None


async def test_the_owner_sets_how_many_and_how_long(floor: Floor, vault: Vault) -> None:
    ownership = Ownership(vault, OwnershipRules(lock_after=2, lock_for=MINUTE))
    who = await identity(floor, "guesser")

    await miss(floor, ownership, who, 0, 0)

    assert await locked(floor, ownership, who, 0) == floor.now + MINUTE


async def test_a_miss_keeps_no_trace_of_what_was_typed(floor: Floor, ownership: Ownership) -> None:
    await miss(floor, ownership, await identity(floor, "guesser"), 0)

    row, audit = await floor.one(OwnershipMiss), await floor.one(AuditRow, action="ownership.missed")

    assert ORDER_NO not in f"{row} {audit}"


async def test_a_proof_binds_the_identity_once(floor: Floor, ownership: Ownership) -> None:
    owner = await identity(floor, "owner")

    await floor.do(ownership.bind, owner, ORDER, ProofWay.QUERY_PASSWORD)
    await floor.do(ownership.bind, owner, ORDER, ProofWay.PAYMENT_TAIL)

    binding = await floor.one(OrderBinding)
    assert (binding.identity_id, binding.shop, binding.order_no) == (owner, "demo", ORDER_NO)
    assert binding.way == "query_password"
    assert len(await floor.all(AuditRow, action="ownership.proved")) == 1
