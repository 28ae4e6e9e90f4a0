"""Codes out of a shop's own stock: asked for outside of any transaction, once, and never to the harm of a buyer."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from audit.tables import AuditRow
from shop import errands, ledger, taken
from shop.errors import PoolEmpty, ShopDown
from shop.port import Answer, Issued, Order, OrderStatus, Power, Powerless, Reply
from shop.tables import Batch, Code, Errand, Replacement
from tests.tickets.counter import ORDER, Counter
from tickets.breakers import BreakerRules, Limit, Scope
from tickets.claims import Claims
from tickets.errands import LEASE, WAITS, Errands
from tickets.errors import OverLimit
from tickets.fetched import COLLISIONS, LOOKS, Fetched
from tickets.second_person import SecondPerson
from tickets.tables import Approval, Claim, Notice, Outcome, Role, Ticket

MINUTE = timedelta(minutes=1)


@dataclass
class Shelf(Powerless):
    """A shop that gives codes of its stock, the same for the same key, and how often it was asked."""

    counter: Counter
    cards: list[str]
    name: str = "demo"
    powers: frozenset[Power] = frozenset({Power.ISSUE})  # type: ignore[assignment]
    settles: timedelta = timedelta(0)
    order: Order | None = ORDER
    given: dict[str, str] = field(default_factory=dict)
    resold: dict[str, str] = field(default_factory=dict)  # orders by cards
    silences: list[type[Exception]] = field(default_factory=list)  # after it did what it was asked
    asked: list[str] = field(default_factory=list)

    async def find_order(self, order_no: str) -> Order | None:
        return self.order

    async def issue(self, order_no: str, sku: str, key: str) -> Reply[Issued]:
        await self._hear("issue")
        if key not in self.given and not self.cards:
            return Reply(Answer.REFUSED, note="none is free")
        text = self.given[key] if key in self.given else self.given.setdefault(key, self.cards.pop(0))
        self._fall_silent()
        return Reply(Answer.DONE, Issued(text, f"card of {text}"))

    async def find_resold(self, sku: str, references: Collection[str], since: datetime) -> Reply[Mapping[str, str]]:
        await self._hear("resold")
        self._fall_silent()
        return Reply(Answer.DONE, {card: order for card, order in self.resold.items() if card in references})

    async def quarantine(self, order_no: str, fingerprint: str) -> Reply[None]:
        await self._hear(f"quarantine {fingerprint[:8]}")
        self._fall_silent()
        return Reply(Answer.DONE)

    async def note(self, order_no: str, text: str) -> Reply[None]:
        await self._hear(f"note {text}")
        return Reply(Answer.MANUAL, note="its remark is full")

    async def _hear(self, what: str) -> None:
        async with self.counter.floor.database.writing():  # nobody holds the database while it is asked
            pass
        self.asked.append(what)

    def _fall_silent(self) -> None:
        if self.silences:
            raise self.silences.pop(0)(**({"shop": "demo"}))

    async def run(self, at: datetime | None = None) -> int:
        floor = self.counter.floor
        return await Errands(floor.database, lambda: at or floor.now, self.counter.claims, lambda name: self).run()

    async def settle(self) -> None:
        """Run until there is nothing to do any more; time passes where it has to."""
        while await self.run():
            self.counter.floor.now += self.settles

    async def later(self, span: timedelta) -> None:
        self.counter.floor.now += span
        await self.settle()


@pytest.fixture
def reserve() -> tuple[str, ...]:
    return ()


@pytest.fixture
async def shelf(counter: Counter) -> AsyncIterator[Shelf]:
    """The reserve is empty, and the shop may be asked."""
    shelf = Shelf(counter, ["STOCK-0001-AAAA", "STOCK-0002-BBBB", "STOCK-0003-CCCC"])
    old = counter.claims
    counter.claims = Claims(old.desk, old.vault, old.rules, lambda name: shelf.powers)
    yield shelf
    assert max([0, *(len(texts) for texts in given_twice(shelf).values())]) <= 1


def given_twice(shelf: Shelf) -> dict[str, list[str]]:
    by_text: dict[str, list[str]] = {}
    for key, text in shelf.given.items():
        by_text.setdefault(text, []).append(key)
    return by_text


async def told(counter: Counter, key: str) -> list[str]:
    return [notice.text for notice in await counter.floor.all(Notice) if notice.text.startswith(f"zh:{key}")]


async def actions(counter: Counter) -> list[str]:
    return [row.action for row in await counter.floor.all(AuditRow) if row.action.startswith(("errand", "code."))]


async def test_an_empty_reserve_is_no_reason_to_wait_for_a_person(counter: Counter, shelf: Shelf) -> None:
    settled, again = await counter.file(), await counter.file()
    assert (settled.kind, settled.ticket, again.kind, again.is_repeat) == ("fetching", None, "fetching", True)

    await shelf.settle()

    claim, given = await counter.floor.one(Claim), await counter.floor.one(Replacement)
    assert (claim.state, claim.outcome, claim.why, claim.ticket_id) == ("decided", "replace", "auto", None)
    code = await counter.floor.one(Code)
    assert (code.state, code.pool, code.masked, given.issued_by) == ("issued", "reserve", "****-AAAA", "bot")
    assert code.fingerprint == counter.claims.vault.fingerprint("STOCK-0001-AAAA")
    (text,) = await counter.floor.deliver()
    assert text.startswith("zh:claim.replaced")
    wanted = ["errand.wanted", "code.taken", "errand.taken", "code.cleared", "code.issued", "code.link_made"]
    assert await actions(counter) == [*wanted, "errand.done"]
    assert (await counter.file()).kind == "link"
    assert shelf.asked == ["issue"]


async def test_it_stays_with_people_where_its_owner_did_not_switch_it_on(counter: Counter, shelf: Shelf) -> None:
    shelf.powers = frozenset()

    settled = await counter.file()
    await shelf.settle()

    assert (settled.kind, settled.why, shelf.asked) == ("ticket", "pool_empty", [])


@pytest.mark.parametrize("silence", [ShopDown, TimeoutError], ids=["down", "no answer"])
async def test_a_shop_that_is_away_brings_a_person_at_once_and_its_card_comes_into_the_reserve(
    counter: Counter, shelf: Shelf, chen: int, silence: type[Exception]
) -> None:
    class Quiet(silence):  # type: ignore[misc,valid-type]
        def __init__(self, **facts: str) -> None:
            super().__init__(**(facts if silence is ShopDown else {}))

    shelf.silences = [Quiet]
    await counter.file()

    await shelf.run()

    claim, ticket = await counter.floor.one(Claim), await counter.floor.one(Ticket)
    assert (claim.state, claim.why, ticket.level, ticket.phase) == ("review", "pool_empty", 1, "open")
    assert any(text.startswith("zh:claim.fetch_failed") for text in await counter.floor.deliver())
    assert await shelf.run(counter.floor.now + MINUTE) == 1  # with the same key: nobody else gets that card
    await shelf.run(counter.floor.now + MINUTE)
    assert ((await counter.floor.one(Errand)).state, shelf.given.__len__()) == ("kept", 1)
    assert (await counter.grant(await counter.floor.one(Ticket), chen)).kind == "replaced"


async def test_an_empty_stock_brings_a_person_at_once(counter: Counter, shelf: Shelf) -> None:
    shelf.cards.clear()
    await counter.file()

    await shelf.settle()

    assert ((await counter.floor.one(Errand)).state, (await counter.floor.one(Ticket)).level) == ("refused", 1)
    assert (await counter.floor.one(Claim)).state == "review"


@pytest.mark.parametrize("change", [{"refunded": 100}, {"status": OrderStatus.ABNORMAL}, None], ids=str)
async def test_nothing_is_taken_for_an_order_that_is_none_any_more(
    counter: Counter, shelf: Shelf, change: dict[str, Any] | None
) -> None:
    await counter.file()
    shelf.order = replace(ORDER, **change) if change else None

    await shelf.settle()

    assert (shelf.asked, (await counter.floor.one(Claim)).why) == ([], "pool_empty")


async def test_an_agent_grants_and_the_code_follows(counter: Counter, shelf: Shelf, chen: int) -> None:
    ticket = (await counter.file(reason="other")).ticket
    settled, again = await counter.grant(ticket, chen), await counter.grant(ticket, chen)
    assert (settled.kind, again.kind, settled.claim.state) == ("fetching", "fetching", "fetching")
    assert any(text.startswith("zh:claim.fetching") for text in await counter.floor.deliver())

    await shelf.settle()

    given = await counter.floor.one(Replacement)
    assert (given.issued_by, (await counter.floor.one(Ticket)).phase) == (f"agent:{chen}", "resolved")
    assert [text.split()[0] for text in await counter.floor.deliver()] == ["zh:claim.replaced"]
    assert (await counter.floor.one(Ticket)).assignee_id == chen


async def test_an_agent_hears_that_the_shop_has_none(counter: Counter, shelf: Shelf, chen: int) -> None:
    shelf.cards.clear()
    await counter.grant((await counter.file(reason="other")).ticket, chen)

    await shelf.settle()

    (text,) = await told(counter, "notice.fetch_failed")
    assert "none is free" in text
    assert (await counter.floor.one(Claim)).state == "review"


async def test_what_was_refused_for_good_meanwhile_gets_no_code(counter: Counter, shelf: Shelf, chen: int) -> None:
    ticket = (await counter.file(reason="other")).ticket
    claim = (await counter.grant(ticket, chen)).claim
    await counter.floor.do(counter.claims.explain, ticket.id if ticket else 0, chen, claim.id, Outcome.REJECT, "no")

    await shelf.settle()

    assert ((await counter.floor.one(Errand)).state, await counter.floor.all(Replacement)) == ("kept", [])
    assert (await counter.floor.one(Code, masked="****-AAAA", state="free")).pool == "reserve"


async def test_money_that_goes_back_meanwhile_stands_against_the_code(
    counter: Counter, shelf: Shelf, chen: int
) -> None:
    ticket = (await counter.file(reason="other")).ticket
    await counter.grant(ticket, chen)
    await counter.ask_refund(ticket, chen)

    await shelf.settle()

    assert ((await counter.floor.one(Errand)).state, await counter.floor.all(Replacement)) == ("kept", [])
    assert (await counter.floor.one(Claim)).state == "review"


async def test_limits_hold_for_codes_of_the_shop(counter: Counter, shelf: Shelf, lin: int) -> None:
    limited = replace(counter.claims.rules, breakers=BreakerRules({Scope.HOUR: Limit(1, timedelta(hours=24))}))
    counter.claims = replace(counter.claims, rules=limited)
    second = counter.new_code("SOLD-2222-BBBB", 2)
    await counter.file_all([counter.code, second], replace(ORDER, quantity=2))

    await shelf.settle()

    assert len(await counter.floor.all(Replacement)) == 1
    (left,) = [claim for claim in await counter.floor.all(Claim) if claim.outcome is None]
    assert (left.state, left.why) == ("review", "breaker")
    assert len(await counter.floor.all(Code, state="free")) == 1  # in the reserve
    dear = replace(counter.claims.rules, auto_limit=1)
    counter.claims = replace(counter.claims, rules=dear)
    with pytest.raises(OverLimit):
        await counter.grant(await counter.floor.one(Ticket), lin)


async def test_a_batch_that_is_kept_back_is_not_taken_from(counter: Counter, shelf: Shelf) -> None:
    await counter.file()
    await shelf.settle()
    async with counter.floor.database.writing() as session:
        await session.exec(update(Batch).where(col(Batch.name) == taken.BATCH).values(quarantined_at=counter.floor.now))

    settled = await counter.file(code=counter.new_code("SOLD-2222-BBBB", 2))

    assert (settled.kind, settled.why) == ("ticket", "pool_empty")
    async with counter.floor.database.writing() as session:
        await session.exec(update(Batch).values(quarantined_at=None))


async def test_a_second_person_may_grant_what_the_reserve_does_not_have(
    counter: Counter, shelf: Shelf, chen: int
) -> None:
    desk = counter.floor.desk
    two = replace(desk.rules, money=replace(desk.rules.money, two_persons=100))
    counter.claims = replace(counter.claims, desk=replace(desk, rules=two))
    lead = await counter.floor.hire("lead", Role.LEAD)
    ticket = (await counter.file(reason="other")).ticket
    verbs = SecondPerson(counter.claims)

    asked = await counter.floor.do(verbs.replace, ticket.id if ticket else 0, chen)
    assert isinstance(asked, Approval)
    settled = await counter.floor.do(verbs.grant, asked.id, lead)
    await shelf.settle()

    assert (settled.kind, (await counter.floor.one(Replacement)).issued_by) == ("fetching", f"agent:{lead}")
    shelf.powers = frozenset()
    other = (await counter.file(reason="other", code=counter.new_code("SOLD-2222-BBBB", 2))).ticket
    with pytest.raises(PoolEmpty):
        await counter.floor.do(verbs.replace, other.id if other else 0, chen)


class Ended(BaseException):
    """As nobody catches it."""


ENDS = {  # who is ended, before what; for each, how often the shop is asked for a card in all
    "before the shop is asked": (Shelf, "find_order", 1),
    "after the shop gave it": (Fetched, "keep", 2),
    "after it is sealed": (Fetched, "hand_out", 1),
    "before the claim is decided": (Claims, "issue", 1),
    "before the errand is done": (errands, "move", 2),
}


@pytest.mark.parametrize(("place", "name", "times"), ENDS.values(), ids=ENDS)
async def test_whoever_is_ended_leaves_it_to_the_next_with_the_same_key(
    counter: Counter, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, place: object, name: str, times: int
) -> None:
    await counter.file()

    async def die(*_: object, **__: object) -> None:
        raise Ended

    with monkeypatch.context() as patch:
        patch.setattr(place, name, die)
        with pytest.raises(Ended):
            await shelf.run()
    assert await shelf.run() == 0
    await shelf.run(counter.floor.now + LEASE)
    await shelf.run(counter.floor.now + LEASE)

    assert (shelf.asked.count("issue"), len(shelf.given)) == (times, 1)
    assert (await counter.floor.one(Errand)).state == "done"
    code_id = (await counter.floor.one(Replacement)).code_id
    assert (await counter.floor.one(Code, id=code_id)).masked == "****-AAAA"


async def test_of_eight_workers_one_takes_a_card(counter: Counter, shelf: Shelf) -> None:
    await counter.file()

    await asyncio.gather(*(shelf.run() for _ in range(8)))

    assert (len(shelf.given), len(await counter.floor.all(Replacement))) == (1, 1)


async def test_a_code_that_went_out_before_never_goes_out_again(counter: Counter, shelf: Shelf) -> None:
    await counter.file()
    await shelf.settle()
    shelf.cards = ["stock 0001 aaaa", "STOCK-0004-DDDD"]  # the first one once more, as it was typed there

    await counter.file(code=counter.new_code("SOLD-2222-BBBB", 2))
    await shelf.settle()

    prints = {given.fingerprint for given in await counter.floor.all(Replacement)}
    assert prints == {counter.claims.vault.fingerprint(text) for text in ("STOCK-0001-AAAA", "STOCK-0004-DDDD")}
    (text,) = await told(counter, "notice.stock_twice")
    assert "card of stock 0001 aaaa" in text


async def test_a_card_that_the_shop_sold_meanwhile_is_found_before_anybody_sees_it(
    counter: Counter, shelf: Shelf
) -> None:
    shelf.settles, shelf.resold = timedelta(seconds=2), {"card of STOCK-0001-AAAA": "STRANGER-1"}
    await counter.file()

    await shelf.run()
    assert await shelf.run() == 0  # its sale may still be under way
    await shelf.later(shelf.settles)

    given = await counter.floor.one(Replacement)
    assert given.fingerprint == counter.claims.vault.fingerprint("STOCK-0002-BBBB")
    assert [one.state for one in await counter.floor.all(Errand)] == ["collided", "done"]
    assert (await counter.floor.one(Code, masked="****-AAAA", pool="reserve", state="quarantined")).reserved_for is None
    (text,) = await told(counter, "notice.stock_collided")
    assert "STRANGER-1" in text
    assert "errand.collided" in await actions(counter)
    assert [text.split()[0] for text in await counter.floor.deliver()] == ["zh:claim.replaced"]


@pytest.mark.parametrize("is_seen", [False, True])
async def test_a_collision_that_shows_later_is_reported_and_the_buyer_gets_another_code(
    counter: Counter, shelf: Shelf, is_seen: bool
) -> None:
    shelf.settles = timedelta(seconds=2)
    await counter.file()
    await shelf.settle()
    if is_seen:
        await counter.look(await newest_link(counter))
    shelf.order = replace(ORDER, codes=(counter.code,))
    shelf.resold = {"card of STOCK-0001-AAAA": "STRANGER-1"}

    for _ in range(3):
        await shelf.later(LOOKS[0])

    first, second = await counter.floor.all(Replacement)
    assert (await counter.floor.one(Code, id=first.code_id)).state == "quarantined"
    assert (second.chain, second.replaced_fingerprint) == (2, first.fingerprint)
    assert len(await told(counter, "notice.stock_collided")) == 1
    texts = [text.split()[0] for text in await counter.floor.deliver()]
    assert texts == ["zh:claim.replaced", "zh:claim.collided", "zh:claim.fetching", "zh:claim.replaced"]


async def test_a_collision_that_no_rule_may_mend_comes_to_a_person(counter: Counter, shelf: Shelf) -> None:
    shelf.settles = timedelta(seconds=2)
    await counter.file()
    await shelf.settle()
    counter.claims = replace(counter.claims, rules=replace(counter.claims.rules, auto_limit=1))
    shelf.resold = {"card of STOCK-0001-AAAA": "STRANGER-1"}

    await shelf.later(LOOKS[0])

    assert [claim.why for claim in await counter.floor.all(Claim)] == ["auto", "over_limit"]
    assert "zh:claim.collided_ticket" in [text.split()[0] for text in await counter.floor.deliver()]


async def test_codes_that_went_out_are_looked_for_three_times(counter: Counter, shelf: Shelf) -> None:
    shelf.settles = timedelta(seconds=2)
    await counter.file()
    await shelf.settle()
    shelf.silences = [lambda **facts: ShopDown(**facts)]  # type: ignore[list-item]

    for span in (LOOKS[0], LOOKS[0], LOOKS[1], LOOKS[2], LOOKS[2]):
        await shelf.later(span)

    assert shelf.asked.count("resold") == 1 + 1 + len(LOOKS)
    assert (await counter.floor.one(Errand)).look_at is None


async def test_a_shop_is_told_of_the_bad_card_where_its_owner_switched_it_on(counter: Counter, shelf: Shelf) -> None:
    shelf.powers = frozenset(Power)
    await counter.file()
    await shelf.run()
    shelf.silences = [lambda **facts: ShopDown(**facts)]  # type: ignore[list-item]
    await shelf.run()
    await shelf.run(counter.floor.now + MINUTE)

    bad = counter.code.fingerprint[:8]
    assert set(shelf.asked) == {"issue", f"quarantine {bad}", f"note {(await noted(counter)).text}"}
    states = {one.power: one.state for one in await counter.floor.all(Errand)}
    assert states == {"issue": "done", "quarantine": "done", "note": "refused"}
    assert "its remark is full" in (await told(counter, "notice.errand_dead"))[0]
    assert "SOLD" not in (await noted(counter)).text


async def noted(counter: Counter) -> Errand:
    return await counter.floor.one(Errand, power="note")


async def newest_link(counter: Counter) -> Any:
    from shop.tables import RevealLink

    return (await counter.floor.all(RevealLink))[-1]


async def test_an_agent_may_want_the_code_again_that_is_still_on_its_way(
    counter: Counter, shelf: Shelf, chen: int
) -> None:
    shelf.silences = [ShopDown]
    await counter.file()
    await shelf.run()

    settled = await counter.grant(await counter.floor.one(Ticket), chen)
    await shelf.settle()

    assert (settled.kind, len(shelf.given)) == ("fetching", 1)
    assert (await counter.floor.one(Errand)).state == "done"
    assert (await counter.floor.one(Replacement)).issued_by == f"agent:{chen}"


async def test_a_shop_that_never_answers_is_told_to_the_managers(counter: Counter, shelf: Shelf) -> None:
    shelf.silences = [ShopDown] * 20
    await counter.file()

    for wait in (timedelta(), *WAITS):
        await shelf.later(wait)

    errand = await counter.floor.one(Errand)
    assert (errand.state, errand.attempts, len(shelf.given)) == ("dead", len(WAITS) + 1, 1)
    assert len(await told(counter, "notice.errand_dead")) == 1
    assert len(await counter.floor.all(Ticket)) == 1


async def test_a_stock_of_which_every_card_is_sold_twice_brings_a_person(counter: Counter, shelf: Shelf) -> None:
    shelf.settles = timedelta(seconds=2)
    shelf.cards = [f"STOCK-{number:04d}-ZZZZ" for number in range(9)]
    shelf.resold = {f"card of {card}": "STRANGER-1" for card in shelf.cards}
    await counter.file()

    await shelf.settle()

    assert [one.state for one in await counter.floor.all(Errand)] == ["collided"] * COLLISIONS
    assert (await counter.floor.one(Claim)).why == "pool_empty"
    assert len(await told(counter, "notice.stock_collided")) == COLLISIONS


async def test_a_code_that_waits_for_a_second_person_is_put_out_of_use_too(
    counter: Counter, shelf: Shelf, chen: int
) -> None:
    shelf.settles = timedelta(seconds=2)
    ticket = (await counter.file(reason="other")).ticket
    claim = (await counter.grant(ticket, chen)).claim
    await counter.floor.do(counter.claims.explain, ticket.id if ticket else 0, chen, claim.id, Outcome.REJECT, "no")
    await shelf.settle()
    other = (await counter.file(reason="other", code=counter.new_code("SOLD-2222-BBBB", 2))).claim
    vault, order = counter.claims.vault, ORDER
    await counter.floor.do(ledger.reserve, vault, claim_id=other.id, order=order, actor="agent:1")
    shelf.resold = {"card of STOCK-0001-AAAA": "STRANGER-1"}

    await shelf.later(LOOKS[0])

    assert (await counter.floor.one(Code)).state == "quarantined"
    assert len(await told(counter, "notice.stock_collided")) == 1
