"""The states of a claim: every step is in the table, whatever happens to it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from audit.tables import AuditRow
from tests.tickets.counter import HOUR, Counter
from tickets import filing
from tickets.claim_states import MOVES, SETTLED, UNDECIDED, ClaimState, can_move
from tickets.claims import Outcome, Reason
from tickets.errors import ClaimStands
from tickets.tables import Claim, Conversation, Ending

# The table


def test_every_state_stands_in_the_table_and_is_of_one_kind() -> None:
    assert set(MOVES) == set(ClaimState)
    assert UNDECIDED | SETTLED | {ClaimState.CLOSED} == set(ClaimState)
    assert not UNDECIDED & SETTLED


def test_every_state_can_be_reached_and_left() -> None:
    reached = {ClaimState.TRIAGE}.union(*MOVES.values())

    assert reached == set(ClaimState)
    assert all(MOVES[state] for state in ClaimState)


def test_no_state_leads_to_itself() -> None:
    assert not any(can_move(state, state) for state in ClaimState)


@given(st.lists(st.sampled_from(ClaimState)))
def test_what_was_decided_is_never_undecided_again(wishes: list[ClaimState]) -> None:
    state, was_decided = ClaimState.TRIAGE, False

    for wish in wishes:
        state = wish if can_move(state, wish) else state
        was_decided |= state not in UNDECIDED
        assert not (was_decided and state in UNDECIDED)


@pytest.mark.parametrize("state", [state for state in ClaimState if state != ClaimState.DECIDED])
def test_only_what_is_decided_is_delivered_at_first(state: ClaimState) -> None:
    # A closed claim's link may have been made anew.
    assert can_move(state, ClaimState.DELIVERED) == (state == ClaimState.CLOSED)


# A claim on its way


async def states(counter: Counter) -> list[str]:
    """As the audit tells them."""
    rows = await counter.floor.all(AuditRow)
    return [row.after["state"] for row in rows if row.subject.startswith("claim:") and "state" in (row.after or {})]


async def test_a_replaced_claim_is_delivered_when_its_link_is_opened(counter: Counter) -> None:
    settled = await counter.file()
    assert (settled.claim.state, settled.claim.decided_by) == ("decided", "bot")

    await counter.look(settled.link, at=counter.floor.now + HOUR)

    claim = await counter.floor.one(Claim)
    assert (claim.state, claim.state_at) == ("delivered", counter.floor.now + HOUR)
    assert await states(counter) == ["decided", "delivered"]
    assert (await counter.floor.one(AuditRow, action="claim.moved")).actor == f"link:{settled.link and settled.link.id}"


async def test_a_claim_that_a_person_decides_stands_in_review(counter: Counter, lin: int) -> None:
    settled = await counter.file(reason=Reason.OTHER)
    assert settled.claim.state == "review"

    await counter.resolve(settled.ticket, lin, Outcome.REJECT)

    claim = await counter.floor.one(Claim)
    assert (claim.state, claim.decided_by, claim.why) == ("decided", f"agent:{lin}", "reason")
    assert await states(counter) == ["review", "decided"]


async def test_what_is_decided_anew_is_opened_again_first(counter: Counter) -> None:
    await counter.file()

    async with counter.floor.database.writing() as session:
        row = (await session.exec(select(Claim))).one()
        await filing.decide(session, counter.floor.now, row, Outcome.REFUND, "agent:1")

    assert await states(counter) == ["decided", "reopened", "decided"]
    claim = await counter.floor.one(Claim)
    assert (claim.outcome, claim.decided_by) == ("refund", "agent:1")


async def test_the_end_of_its_ticket_closes_a_claim(counter: Counter, lin: int) -> None:
    settled = await counter.file(reason=Reason.OTHER)
    assert settled.ticket is not None
    await counter.floor.do(counter.floor.desk.reply, settled.ticket.id, lin, "请发截图。")
    await counter.floor.deliver()

    await counter.floor.do(counter.floor.desk.close, settled.ticket.id, lin)

    claim = await counter.floor.one(Claim)
    assert (claim.state, claim.outcome, claim.decided_at) == ("closed", None, counter.floor.now)
    lapsed = await counter.floor.one(AuditRow, action="claim.lapsed")
    assert lapsed.after == {"state": "closed", "ending": Ending.CLOSED}


async def test_a_lapsed_claim_is_filed_anew_and_not_found_on_its_closed_ticket(counter: Counter, lin: int) -> None:
    first = await counter.file(reason=Reason.OTHER)
    assert first.ticket is not None
    await counter.floor.do(counter.floor.desk.reply, first.ticket.id, lin, "请发截图。")
    await counter.floor.deliver()
    await counter.floor.do(counter.floor.desk.close, first.ticket.id, lin)

    second = await counter.file(reason=Reason.OTHER)

    assert second.ticket is not None
    assert (second.is_repeat, second.ticket.id == first.ticket.id) == (False, False)


async def test_a_step_that_the_table_lacks_is_refused_and_changes_nothing(counter: Counter) -> None:
    claim = (await counter.file(reason=Reason.OTHER)).claim

    async with counter.floor.database.writing() as session:
        row = await session.get_one(Claim, claim.id)
        with pytest.raises(ClaimStands, match="review cannot become delivered"):
            filing.move(session, counter.floor.now, row, ClaimState.DELIVERED, "bot")

    assert (await counter.floor.one(Claim)).state == "review"


# The next round


async def test_a_claim_about_a_replacement_is_its_second_round(counter: Counter) -> None:
    first = await counter.file()
    second = await counter.file(code=counter.new_code(await counter.look(first.link)))

    assert (first.claim.round, second.claim.round) == (1, 2)
    old, new = await counter.floor.all(Claim)
    assert (old.state, new.state) == ("reopened", "decided")


async def test_the_third_round_is_a_persons(counter: Counter) -> None:
    first = await counter.file()
    second = await counter.file(code=counter.new_code(await counter.look(first.link)))
    third = await counter.file(code=counter.new_code(await counter.look(second.link)))

    assert (third.claim.round, third.why, third.claim.state) == (3, "chain_too_long", "review")


async def test_a_replacement_is_covered_for_three_days_where_the_orders_warranty_is_over(counter: Counter) -> None:
    late = counter.floor.now + timedelta(days=29)  # of 30 since delivery, which was a day ago
    first = await counter.file(at=late)
    fresh = counter.new_code(await counter.look(first.link, at=late))

    second = await counter.file(code=fresh, at=late + timedelta(hours=72))

    assert second.kind == "replaced"


async def test_a_round_is_of_this_buyer_only_through_the_ledger(counter: Counter) -> None:
    first = await counter.file()
    fresh = counter.new_code(await counter.look(first.link))
    other: Conversation = await counter.floor.meet("buyer-2")
    counter.conversation = other

    second = await counter.file(code=fresh)

    assert second.claim.round == 2
    assert second.claim.buyer_id == other.buyer_id
