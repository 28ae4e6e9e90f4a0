"""Circuit breakers: no limit is passed, whoever issues how many at once; what is held up comes to a person."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop import ledger
from shop.tables import Replacement
from tests.tickets.conftest import Floor
from tests.tickets.counter import ORDER, Counter
from tickets import breakers, turns
from tickets.breakers import BreakerRules, Breakers, Limit, Scope, count_open, latest, name_of
from tickets.claims import Claims, Settled
from tickets.errors import BreakerOpen, NotAllowed, UnknownBreaker
from tickets.filing import code_of, order_as_filed
from tickets.tables import Breaker, Claim, Notice, Reason, Ticket

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def reserve() -> tuple[str, ...]:
    return tuple(f"RSRV-0000-{number:04}-XXXX" for number in range(24))


def limited(counter: Counter, closes_after: timedelta | None = DAY, **limits: int) -> Counter:
    """The counter with these limits a day."""
    rules = BreakerRules({Scope(scope): Limit(count, DAY) for scope, count in limits.items()}, closes_after)
    counter.claims = Claims(counter.floor.desk, counter.claims.vault, replace(counter.claims.rules, breakers=rules))
    return counter


async def file(counter: Counter, number: int, *, at: datetime | None = None, **options: object) -> Settled:
    """A claim about a code of its own."""
    return await counter.file(code=counter.new_code(f"SOLD-{number:04}"), at=at, **options)


async def test_the_replacement_that_reaches_the_limit_opens_the_breaker(counter: Counter, chen: int) -> None:
    limited(counter, buyer=2)

    ends = [await file(counter, number) for number in range(4)]

    assert [(end.kind, end.why) for end in ends] == [("replaced", "auto")] * 2 + [("ticket", "breaker")] * 2
    breaker = await counter.floor.one(Breaker)
    assert (breaker.scope, breaker.key, breaker.count) == ("buyer", str(counter.conversation.buyer_id), 2)
    assert breaker.until_at == counter.floor.now + DAY
    notice = await counter.floor.one(Notice)
    assert (notice.agent_id, notice.ticket_id) == (chen, None)
    assert "notice.breaker" in notice.text
    assert [row.action for row in await counter.floor.all(AuditRow, subject="breaker:1")] == ["breaker.tripped"]


async def test_what_is_held_up_waits_for_a_person_and_keeps_its_claim(counter: Counter) -> None:
    limited(counter, hour=1)

    await file(counter, 1)
    held = await file(counter, 2)

    claim = await counter.floor.one(Claim, id=held.claim.id)
    assert (claim.why, claim.outcome, claim.decided_at) == ("breaker", None, None)
    assert (await counter.floor.one(Ticket)).id == claim.ticket_id


@pytest.mark.parametrize("scope", ["product", "batch", "supplier"])
async def test_each_scope_counts_its_own(counter: Counter, scope: str) -> None:
    limited(counter, **{scope: 1})

    async with counter.floor.database.writing() as session:
        claim = Claim(**_claim(counter, 1) | {"batch_id": 1, "supplier_id": 1})
        elsewhere = Claim(**_claim(counter, 2) | {"batch_id": 2, "supplier_id": 2, "sku": "OTHER"})
        session.add_all([claim, elsewhere])
        await session.flush()
        guard = Breakers(counter.floor.desk, counter.claims.rules.breakers)
        async with guard.turn(session, counter.floor.now, claim, "bot"):
            session.add(_issue(counter, claim))
        async with guard.turn(session, counter.floor.now, elsewhere, "bot"):
            pass
        with pytest.raises(BreakerOpen):
            async with guard.turn(session, counter.floor.now, claim, "bot"):
                pass
        names = [await name_of(session, one.scope, one.key) for one in await latest(session, counter.floor.now)]
        await session.rollback()

    assert names == [{"product": ORDER.goods.name, "batch": "一", "supplier": "供应商一"}[scope]]


def _claim(counter: Counter, number: int) -> dict[str, object]:
    return {
        "conversation_id": counter.conversation.id,
        "buyer_id": counter.conversation.buyer_id,
        "shop": "demo",
        "order_no": f"ORDER-{number}",
        "fingerprint": f"print {number}",
        "masked": "****",
        "position": 1,
        "sku": "STEAM-50",
        "product_name": "Steam",
        "price": 1,
        "currency": "CNY",
        "reason": Reason.ALREADY_USED,
        "created_at": counter.floor.now,
    }


def _issue(counter: Counter, claim: Claim) -> Replacement:
    return Replacement(
        claim_id=claim.id or 0,
        shop="demo",
        order_no=claim.order_no,
        replaced_fingerprint=claim.fingerprint,
        code_id=1,
        fingerprint="new",
        chain=1,
        issued_at=counter.floor.now,
        issued_by="bot",
    )


async def test_what_agents_grant_counts_for_them_alone(counter: Counter, lin: int, ming: int, chen: int) -> None:
    limited(counter, agent=1, buyer=9)
    held = [await file(counter, number, reason=Reason.WRONG_REGION) for number in range(3)]

    await counter.grant(held[0].ticket, lin, claim_id=held[0].claim.id)
    with pytest.raises(BreakerOpen):
        await counter.grant(held[1].ticket, lin, claim_id=held[1].claim.id)
    await counter.floor.do(counter.floor.desk.assign, held[1].ticket and held[1].ticket.id, chen, ming)
    await counter.grant(held[1].ticket, ming, claim_id=held[1].claim.id)

    assert len(await counter.floor.all(Replacement)) == 2
    assert {(one.scope, one.key) for one in await counter.floor.all(Breaker)} == {
        ("agent", str(lin)),
        ("agent", str(ming)),
    }


async def test_it_closes_by_itself_and_counts_anew(counter: Counter) -> None:
    limited(counter, closes_after=HOUR, buyer=2)
    now = counter.floor.now
    for number in range(2):
        await file(counter, number)

    held = await file(counter, 2, at=now + HOUR - timedelta(seconds=1))
    ends = [await file(counter, number, at=now + HOUR) for number in range(3, 6)]

    assert held.why == "breaker"
    assert [end.why for end in ends] == ["auto", "auto", "breaker"]
    first, second = await counter.floor.all(Breaker)
    assert (first.reset_at, first.reset_by) == (now + HOUR, "system")
    assert second.reset_at is None


async def test_without_an_end_it_stays_open(counter: Counter) -> None:
    limited(counter, closes_after=None, buyer=1)
    await file(counter, 1)

    held = await file(counter, 2, at=counter.floor.now + 10 * DAY)

    assert held.why == "breaker"


async def test_a_lead_lifts_it_and_nobody_their_own(counter: Counter, lin: int, chen: int) -> None:
    limited(counter, buyer=1, agent=1)
    floor, guard = counter.floor, Breakers(counter.floor.desk)
    await file(counter, 1)
    held = await file(counter, 2)
    await counter.grant(held.ticket, chen)
    of_buyer, of_chen = await floor.all(Breaker)

    with pytest.raises(NotAllowed):
        await floor.do(guard.reset, of_buyer.id, lin)
    with pytest.raises(NotAllowed):
        await floor.do(guard.reset, of_chen.id, chen)
    await floor.do(guard.reset, of_buyer.id, chen)
    with pytest.raises(UnknownBreaker):
        await floor.do(guard.reset, of_buyer.id, chen)

    assert (await file(counter, 3)).why == "auto"
    async with floor.database.reading() as session:
        assert await count_open(session, floor.now) == 2  # of chen, and the buyer's new one
    reset = (await floor.all(AuditRow, subject=f"breaker:{of_buyer.id}"))[-1]
    assert (reset.actor, reset.action) == (f"agent:{chen}", "breaker.reset")


async def test_what_is_older_than_the_window_is_not_counted(counter: Counter) -> None:
    limited(counter, buyer=2)
    now = counter.floor.now

    ends = [await file(counter, number, at=now + number * (DAY + HOUR)) for number in range(4)]

    assert {end.why for end in ends} == {"auto"}
    assert await counter.floor.all(Breaker) == []


async def test_without_limits_nothing_is_looked_at(counter: Counter) -> None:
    ends = [await file(counter, number) for number in range(8)]

    assert {end.why for end in ends} == {"auto"}


# Two at once


async def at_once(counter: Counter, times: int) -> int:
    """How many of `times` claims, each of a buyer of its own and all filed at once, were replaced."""
    met = [await counter.floor.meet(f"buyer-{number}") for number in range(times)]
    ready = asyncio.Barrier(times)

    async def one(number: int) -> Settled:
        mine = replace(counter, conversation=met[number])
        await ready.wait()
        return await file(mine, number)

    ends = await asyncio.gather(*(one(number) for number in range(times)))
    return [end.why for end in ends].count("auto")


async def test_of_many_at_once_no_more_than_the_limit_pass(counter: Counter) -> None:
    limited(counter, hour=3)

    assert await at_once(counter, 12) == 3

    assert len(await counter.floor.all(Replacement)) == 3
    assert len(await counter.floor.all(Breaker)) == 1
    assert len(await counter.floor.all(Claim, why="breaker")) == 9


async def test_a_look_before_the_transaction_would_let_more_pass(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: everybody looks first, and issues later."""
    limited(counter, hour=3)
    looked = asyncio.Barrier(12)
    begin = Breakers._begin
    seen: dict[object, dict[Scope, datetime]] = {}

    async def see_nothing(self: Breakers, session: AsyncSession, now: datetime, watched: dict[Scope, str]) -> object:
        return seen[asyncio.current_task()]

    async def trip_once(*_: object) -> None:
        """What opens it is of no use to those who have looked already."""

    monkeypatch.setattr(Breakers, "_begin", see_nothing)
    monkeypatch.setattr(Breakers, "_trip", trip_once)
    guard = Breakers(counter.floor.desk, counter.claims.rules.breakers)

    async def look_first(number: int, mine: Counter) -> Settled:
        async with counter.floor.database.reading() as session:
            seen[asyncio.current_task()] = await begin(guard, session, counter.floor.now, {Scope.HOUR: ""})
        await looked.wait()
        return await file(mine, number)

    met = [await counter.floor.meet(f"buyer-{number}") for number in range(12)]
    ends = await asyncio.gather(
        *(look_first(number, replace(counter, conversation=met[number])) for number in range(12))
    )

    assert [end.why for end in ends].count("auto") > 3


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_without_the_turn_two_at_once_would_not_see_each_other(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other broken twin: where there are many writers, the guard is the turn."""

    async def no_turn(*_: object) -> None: ...

    all_looked, begin = asyncio.Barrier(6), Breakers._begin

    async def look_together(self: Breakers, *arguments: object) -> object:
        since = await begin(self, *arguments)  # type: ignore[arg-type]
        await all_looked.wait()
        return since

    async def trip_once(*_: object) -> None:
        """Too late for those who have looked."""

    monkeypatch.setattr(breakers, "take_turn", no_turn)
    monkeypatch.setattr(Breakers, "_begin", look_together)
    monkeypatch.setattr(Breakers, "_trip", trip_once)
    limited(counter, hour=3)
    guard = Breakers(counter.floor.desk, counter.claims.rules.breakers)

    async def issue(number: int) -> None:
        async with counter.floor.database.writing() as session:
            claim = Claim(**_claim(counter, number))
            session.add(claim)
            await session.flush()
            async with guard.turn(session, counter.floor.now, claim, "bot"):
                await ledger.issue_replacement(
                    session,
                    counter.floor.now,
                    counter.claims.vault,
                    claim_id=claim.id or 0,
                    order=order_as_filed(claim),
                    replaced=code_of(claim),
                    actor="bot",
                )

    await asyncio.gather(*(issue(number) for number in range(6)))

    assert len(await counter.floor.all(Replacement)) > 3


async def test_the_first_two_ever_wait_for_one_turn(floor: Floor) -> None:
    async def take(_: int) -> None:
        async with floor.database.writing() as session:
            await turns.take_turn(session, floor.now, "breakers")

    await asyncio.gather(*(take(number) for number in range(6)))
