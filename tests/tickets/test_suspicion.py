"""What the database knows of a claim comes to the right facts, and what is risky comes to a person."""

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop import reveals
from shop.codes import seal_code
from shop.ledger import codes_issued
from shop.port import CodeRef, Order, ProofWay
from shop.tables import CodeState, Pool
from tests.tickets.conftest import Floor
from tests.tickets.counter import DAY, HOUR, ORDER, Counter
from tests.tickets.test_pictures import pixels, send
from tickets.claims import Claims, Settled
from tickets.ownership import Ownership
from tickets.risk import Facts, RiskRules, Signal, needs_person, weigh
from tickets.suspicion import Suspicion, note_strays
from tickets.tables import Claim, Conversation, OrderBinding, Outcome, Reason, Ticket

RULES = RiskRules(person_from=50, batch_from=2)


@pytest.fixture
def reserve() -> tuple[str, ...]:
    return tuple(f"RSRV-0000-{number:04}-XXXX" for number in range(24))


@pytest.fixture
def counter(counter: Counter) -> Counter:
    """A counter where claims are weighed."""
    gate = Suspicion(counter.claims.vault, RULES)
    counter.claims = Claims(counter.floor.desk, counter.claims.vault, counter.claims.rules, gates=(gate,))
    return counter


def order(number: int, **changes: object) -> Order:
    return replace(ORDER, order_no=f"ORDER{number:011}", **changes)


async def file(counter: Counter, number: int, of: Order | None = None, **options: object) -> Settled:
    code = counter.new_code(f"SOLD-{number:04}")
    return await counter.file(of or order(number), code, **options)


async def facts_of(counter: Counter, claim: Claim, of: Order, at: datetime | None = None) -> Facts:
    async with counter.floor.database.writing() as session:
        gate = Suspicion(counter.claims.vault, RULES)
        return await gate.collect(session, at or counter.floor.now, claim, of)


def signals(claim: Claim) -> dict[str, int]:
    return {point["signal"]: point["points"] for point in claim.risk_points}


async def test_a_plain_claim_is_weighed_and_replaced(counter: Counter) -> None:
    settled = await counter.file()

    claim = await counter.floor.one(Claim)
    assert (settled.kind, claim.risk, claim.risk_points) == ("replaced", 0, [])


async def test_a_risky_claim_is_held_for_a_person_and_says_why(counter: Counter) -> None:
    for number in (1, 2):
        await file(counter, number)

    held = await file(counter, 3)

    claim = await counter.floor.one(Claim, id=held.claim.id)
    assert (held.kind, held.why, claim.state) == ("ticket", "risk", "held")
    assert claim.risk is not None
    assert claim.risk >= 50
    assert signals(claim).keys() == {Signal.MANY_CLAIMS, Signal.MANY_ORDERS}
    assert (await counter.floor.one(Ticket)).id == claim.ticket_id
    (weighed,) = await counter.floor.all(AuditRow, action="claim.weighed", subject=f"claim:{claim.id}")
    assert weighed.after is not None
    assert weighed.after["risk"] == claim.risk


async def test_without_the_gate_the_same_claim_goes_out(counter: Counter) -> None:
    """The broken twin."""
    counter.claims = Claims(counter.floor.desk, counter.claims.vault, counter.claims.rules)
    for number in (1, 2):
        await file(counter, number)

    assert (await file(counter, 3)).kind == "replaced"


async def test_a_claim_that_goes_to_a_person_anyway_is_weighed_too(counter: Counter) -> None:
    settled = await file(counter, 1, reason=Reason.WRONG_REGION)

    assert (settled.why, (await counter.floor.one(Claim)).risk) == ("reason", 0)


async def test_many_codes_bought_explain_some_claims(counter: Counter) -> None:
    large = order(1, quantity=60)

    ends = [await file(counter, number, large) for number in range(3)]

    assert [end.kind for end in ends] == ["replaced"] * 3
    facts = await facts_of(counter, ends[2].claim, large)
    assert (facts.claims, facts.codes, facts.of_order, facts.orders_today) == (3, 60, 3, 1)


async def test_several_codes_claimed_together_are_weighed_together(counter: Counter) -> None:
    """Judged one by one as they are written down, the first of them would go out."""
    bought = order(1, quantity=8)
    codes = [counter.new_code(f"SOLD-{number:04}", number) for number in range(1, 9)]

    ends = await counter.file_all(codes, bought)

    assert {end.why for end in ends} == {"risk"}
    assert len(await counter.floor.all(Ticket)) == 1


async def test_two_of_ten_that_are_claimed_at_once_go_out(counter: Counter) -> None:
    bought = order(1, quantity=10)
    codes = [counter.new_code(f"SOLD-{number:04}", number) for number in (1, 2)]

    ends = await counter.file_all(codes, bought)

    assert {end.why for end in ends} == {"auto"}
    facts = await facts_of(counter, ends[1].claim, bought)
    assert (facts.claims, facts.together, facts.orders_today) == (2, 1, 1)


async def test_what_was_refused_counts_and_so_does_what_a_person_granted(counter: Counter, lin: int) -> None:
    held = [await file(counter, number, reason=Reason.WRONG_REGION) for number in range(3)]
    await counter.resolve(held[0].ticket, lin, Outcome.REJECT)
    await counter.grant(held[1].ticket, lin, claim_id=held[1].claim.id)

    facts = await facts_of(counter, held[2].claim, order(2))

    assert (facts.refused, facts.claims) == (1, 3)


async def test_a_window_forgets(counter: Counter) -> None:
    first = await file(counter, 1)

    facts = await facts_of(counter, (await file(counter, 2)).claim, order(2), at=counter.floor.now + 31 * DAY)

    assert first.kind == "replaced"
    assert facts.claims == 1


async def test_a_late_claim_and_one_about_a_code_seen_long_ago_say_so(counter: Counter) -> None:
    now = counter.floor.now
    given = await counter.file()
    await counter.look(given.link)
    (spare,) = await _codes_given(counter)

    again = await counter.file(code=spare, at=now + 9 * DAY)

    points = signals(await counter.floor.one(Claim, id=again.claim.id))
    assert {Signal.LATE, Signal.SEEN} <= points.keys()


async def _codes_given(counter: Counter) -> list[CodeRef]:
    async with counter.floor.database.reading() as session:
        return await codes_issued(session, "demo", ORDER.order_no)


async def test_buyers_who_share_an_order_are_linked(counter: Counter) -> None:
    floor, other = counter.floor, await counter.floor.meet("buyer-2")
    first = await file(counter, 1)
    async with floor.database.writing() as session:
        proofs = Ownership(counter.claims.vault)
        await proofs.bind(session, floor.now, other.identity_id, order(1), ProofWay.QUERY_PASSWORD)

    theirs = await file(replace(counter, conversation=other), 2)

    facts = await facts_of(counter, theirs.claim, order(2))
    assert first.kind == "replaced"
    assert (facts.linked, facts.claims) == (1, 2)
    assert theirs.why == "risk"


HOME = "101.6.6.6"


async def _newcomer(counter: Counter, name: str, number: int, **told: str) -> tuple[Counter, Settled, Order]:
    """Their claim about an order of which the shop tells something, proved before."""
    theirs, bought = replace(counter, conversation=await counter.floor.meet(name)), order(number, **told)
    await _bind(counter.floor, Ownership(counter.claims.vault), theirs.conversation, bought)
    return theirs, await file(theirs, number, bought), bought


async def _open(counter: Counter, given: Settled, seen_from: str) -> None:
    assert given.link is not None
    await counter.floor.do(counter.claims.reveal, reveals.read_token(counter.claims.vault, given.link), seen_from)


async def test_another_account_with_the_same_mail_is_the_same_person(counter: Counter) -> None:
    await _newcomer(counter, "a", 1, contact="Wang@QQ.com ")
    await _newcomer(counter, "stranger", 2, contact="li@qq.com")

    theirs, given, bought = await _newcomer(counter, "b", 3, contact="wang@qq.com")

    facts = await facts_of(theirs, given.claim, bought)
    assert (facts.same_contact, facts.linked, facts.claims, facts.orders_today) == (1, 0, 2, 2)
    assert all("qq" not in str(one.contact_hash) for one in await counter.floor.all(OrderBinding))


@pytest.mark.parametrize(
    ("ordered_from", "opened_from", "same"),
    [
        pytest.param(HOME, "101.9.9.9", 1, id="ordered there"),
        pytest.param("101.9.9.9", HOME, 1, id="opened there"),
        pytest.param("", "web", 0, id="nothing is told"),
        pytest.param("101.9.9.9", "", 0, id="elsewhere"),
    ],
)
async def test_who_was_at_the_same_place_is_known(
    counter: Counter, ordered_from: str, opened_from: str, same: int
) -> None:
    _, first, _ = await _newcomer(counter, "a", 1, bought_from=ordered_from)
    await _open(counter, first, opened_from)

    theirs, given, bought = await _newcomer(counter, "b", 2, bought_from=HOME)

    assert (await facts_of(theirs, given.claim, bought)).same_place == same


async def test_a_proxy_is_no_place(counter: Counter) -> None:
    _, first, _ = await _newcomer(counter, "a", 1, bought_from="10.0.0.7")
    await _open(counter, first, "10.0.0.7")

    theirs, given, bought = await _newcomer(counter, "b", 2, bought_from="10.0.0.7")

    assert (await facts_of(theirs, given.claim, bought)).same_place == 0


async def test_an_account_whose_orders_had_another_mail_says_so(counter: Counter) -> None:
    floor, proofs = counter.floor, Ownership(counter.claims.vault)
    for number in (11, 12):
        await _bind(floor, proofs, counter.conversation, order(number, contact="old@qq.com"))
    bought = order(1, contact="new@qq.com")
    await _bind(floor, proofs, counter.conversation, bought)

    facts = await facts_of(counter, (await file(counter, 1, bought)).claim, bought)

    assert facts.other_contact == 2
    same = replace(bought, contact="old@qq.com")
    assert (await facts_of(counter, await floor.one(Claim), same)).other_contact == 0


async def test_an_order_vouches_for_its_mail_only_while_nothing_was_wrong_with_it(counter: Counter) -> None:
    """Who took an account over has orders of their own after the first claim."""
    floor, proofs, place = counter.floor, Ownership(counter.claims.vault), counter.conversation
    new = [order(number, contact="new@qq.com") for number in (1, 2, 3)]
    for number in (11, 12):
        await _bind(floor, proofs, place, order(number, contact="old@qq.com"))
    await _bind(floor, proofs, place, new[0])
    await file(counter, 1, new[0])
    await _bind(floor, proofs, place, new[1])

    again = await file(counter, 2, new[1])
    only_claimed = await facts_of(counter, again.claim, new[1])
    await _bind(floor, proofs, place, new[2])
    with_a_sound_one = await facts_of(counter, again.claim, new[1])

    assert (only_claimed.other_contact, with_a_sound_one.other_contact) == (2, 0)


async def test_the_second_round_is_one_matter_with_the_first_and_says_so(counter: Counter) -> None:
    given = await counter.file()
    await counter.look(given.link)
    (spare,) = await _codes_given(counter)

    again = await counter.file(code=spare, at=counter.floor.now + HOUR)

    facts = await facts_of(counter, again.claim, ORDER, at=counter.floor.now + HOUR)
    assert (again.kind, signals(again.claim)) == ("replaced", {Signal.SECOND_ROUND: 40})
    assert (facts.claims, facts.round, facts.vouchers) == (1, 2, 0)


async def test_a_second_round_of_a_dear_code_waits_unless_others_complain_about_its_batch(counter: Counter) -> None:
    dear = replace(ORDER, goods=replace(ORDER.goods, price=12_000))
    given = await counter.file(dear)
    await counter.look(given.link)
    (spare,) = await _codes_given(counter)
    others = [await counter.floor.meet(f"other-{number}") for number in range(2)]

    alone = await counter.file(dear, spare, at=counter.floor.now + HOUR)
    for number, one in enumerate(others):
        await _file_of_batch(replace(counter, conversation=one), number)

    facts = await facts_of(counter, alone.claim, dear, at=counter.floor.now + HOUR)
    assert alone.why == "risk"
    assert facts.vouchers == 2
    assert not needs_person(weigh(facts, RULES), RULES)


async def test_what_is_known_is_asked_for_in_few_statements(counter: Counter) -> None:
    """The bot's claim waits for each of them."""
    theirs, given, bought = await _newcomer(counter, "a", 1, contact="a@qq.com", bought_from=HOME)
    asked: list[str] = []

    def note(*facts: object) -> None:
        asked.append(str(facts[2]))

    engine = counter.floor.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await facts_of(theirs, given.claim, bought)
    event.remove(engine, "before_cursor_execute", note)

    assert len([one for one in asked if not one.startswith("BEGIN")]) <= 5


async def test_a_picture_of_another_claim_is_held_whoever_sends_it(counter: Counter) -> None:
    floor, vault, other = counter.floor, counter.claims.vault, await counter.floor.meet("buyer-2")
    await send(floor, vault, counter.conversation, pixels(1))
    first = await file(counter, 1)
    await send(floor, vault, other, pixels(1))

    theirs = await file(replace(counter, conversation=other), 2)

    assert (first.kind, theirs.why) == ("replaced", "risk")
    assert signals(theirs.claim)[Signal.SAME_PICTURE] == 100


async def test_a_bad_batch_speaks_for_its_buyers_and_not_for_those_who_are_linked(counter: Counter) -> None:
    floor = counter.floor
    others = [await floor.meet(f"other-{number}") for number in range(2)]
    for number, one in enumerate(others):
        await _file_of_batch(replace(counter, conversation=one), number)
    await _file_of_batch(counter, 7)

    claim = await _file_of_batch(counter, 8)

    facts = await facts_of(counter, claim, order(8))
    assert (facts.batch_buyers, facts.claims) == (2, 0)
    assert {one.risk for one in await floor.all(Claim)} == {0}


async def _file_of_batch(counter: Counter, number: int) -> Claim:
    """A claim about a code that our own tables say is of batch 1."""
    text = f"SOLD-{number:04}"
    sold = seal_code(counter.claims.vault, product_id=1, batch_id=1, text=text, pool=Pool.STOCK, state=CodeState.VOID)
    async with counter.floor.database.writing() as session:
        session.add(sold)
    return (await file(counter, number)).claim


async def test_strays_and_codes_of_others_are_counted_and_never_named(counter: Counter) -> None:
    floor, vault = counter.floor, counter.claims.vault
    await _file_of_batch(replace(counter, conversation=await floor.meet("other")), 1)
    for typed in (["NONSENSE-1"], ["NONSENSE-2"], ["SOLD-0001"], ["RSRV-0000-0009-XXXX"]):
        await floor.do(note_strays, vault, counter.conversation, typed)

    facts = await facts_of(counter, (await file(counter, 2)).claim, order(2))

    assert (facts.strays, facts.others_codes) == (3, 1)
    rows = await floor.all(AuditRow, subject=f"buyer:{counter.conversation.buyer_id}")
    assert all(row.after is None or "SOLD" not in str(row.after) for row in rows)


async def test_wrong_proofs_of_an_order_are_counted(counter: Counter) -> None:
    proofs = Ownership(counter.claims.vault)
    for _ in range(3):
        await counter.floor.do(proofs.miss, counter.conversation.identity_id, "order 00000000002")

    facts = await facts_of(counter, (await file(counter, 2)).claim, order(2))

    assert facts.wrong_proofs == 3


async def test_a_long_history_without_claims_is_known(counter: Counter) -> None:
    floor, proofs = counter.floor, Ownership(counter.claims.vault)
    for number in (2, 10, 11, 12, 13):
        await _bind(floor, proofs, counter.conversation, order(number))

    later = floor.now + 70 * DAY
    fresh = order(2, delivered_at=later - HOUR)
    claim = (await file(counter, 2, fresh, at=later)).claim

    facts = await facts_of(counter, claim, fresh, at=later)
    assert (facts.known_for, facts.whole_orders, facts.codes) == (70 * DAY, 4, 5)


async def _bind(floor: Floor, proofs: Ownership, conversation: Conversation, bound: Order) -> None:
    async def bind(session: AsyncSession, now: datetime) -> None:
        await proofs.bind(session, now, conversation.identity_id, bound, ProofWay.QUERY_PASSWORD)

    await floor.do(bind)
