"""A refund beside a replacement, and links to replacements that nobody has seen."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.errors import LinkGone
from shop.tables import Code, Refund, Replacement, RevealLink
from tests.tickets.counter import DAY, HOUR, ORDER, RESERVE, Counter
from tickets.claims import Outcome, Reason, Settled
from tickets.errors import (
    AlreadyCompensated,
    CodeSeen,
    HeldByColleague,
    NoReplacement,
    TicketError,
)
from tickets.links import MARK
from tickets.tables import Claim, Clock, Message, Phase, Ticket, id_of

REFUNDS = [Outcome.REFUND, Outcome.PARTIAL_REFUND]


async def granted(counter: Counter, agent: int) -> Settled:
    """A claim that an agent replaced, on a ticket whose buyer has come back."""
    settled = await counter.grant((await counter.file(reason=Reason.OTHER)).ticket, agent)
    await counter.floor.deliver()
    assert settled.ticket is not None
    await counter.floor.speak(settled.ticket, "退款吧")
    return settled


async def renew(
    counter: Counter, settled: Settled, agent: int, ticket: Ticket | None = None, **options: Any
) -> RevealLink:
    ticket = ticket or settled.ticket
    assert ticket is not None
    return await counter.floor.do(counter.claims.renew_link, ticket.id, agent, settled.claim.id, **options)


# A refund


@pytest.mark.parametrize("outcome", REFUNDS)
async def test_a_refund_puts_an_unseen_replacement_out_of_use(counter: Counter, lin: int, outcome: Outcome) -> None:
    settled = await granted(counter, lin)

    await counter.resolve(settled.ticket, lin, outcome)

    with pytest.raises(LinkGone):
        await counter.look(settled.link)
    assert (await counter.floor.all(Code))[0].state == "quarantined"
    claim = await counter.floor.one(Claim)
    assert claim.outcome == outcome
    decided = (await counter.floor.all(AuditRow, action="claim.decided"))[-1]
    assert (decided.actor, decided.before, decided.after) == (
        f"agent:{lin}",
        {"state": "reopened"},
        {"state": "decided", "outcome": outcome},
    )
    withdrawn = await counter.floor.one(AuditRow, action="code.quarantined")
    assert withdrawn.after == {"state": "quarantined", "why": "refunded"}


@pytest.mark.parametrize("outcome", REFUNDS)
async def test_a_refund_is_refused_when_the_replacement_was_seen(counter: Counter, lin: int, outcome: Outcome) -> None:
    settled = await granted(counter, lin)
    await counter.look(settled.link)

    with pytest.raises(CodeSeen, match="has seen the replacement"):
        await counter.resolve(settled.ticket, lin, outcome)

    assert settled.ticket is not None
    assert (await counter.floor.fresh(settled.ticket)).phase == Phase.OPEN
    assert (await counter.floor.one(Claim)).outcome == "replace"
    assert (await counter.floor.all(Code))[0].state == "revealed"


async def test_without_the_guard_code_and_money_both_go_out(
    counter: Counter, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: it does not ask what was given before."""
    settled = await granted(counter, lin)

    async def pass_by(*arguments: object) -> None:
        return None

    monkeypatch.setattr("tickets.compensation.make_room", pass_by)
    monkeypatch.setattr("tickets.compensation.require_refundable", pass_by)
    await counter.resolve(settled.ticket, lin, Outcome.REFUND)

    assert await counter.look(settled.link) == RESERVE[0]
    await counter.call_back()


async def test_the_end_of_a_chain_counts_not_its_beginning(counter: Counter, lin: int, chen: int) -> None:
    settled = await granted(counter, lin)
    second = await counter.file(code=counter.new_code(await counter.look(settled.link)))
    assert second.kind == "replaced"

    await counter.resolve(settled.ticket, lin, Outcome.REFUND)

    with pytest.raises(LinkGone):
        await counter.look(second.link)


async def test_a_replacement_that_fails_is_refunded_by_a_claim_about_it(counter: Counter, lin: int) -> None:
    first = await counter.file()
    second = await counter.file(code=counter.new_code(await counter.look(first.link)), reason=Reason.OTHER)

    await counter.resolve(second.ticket, lin, Outcome.REFUND)

    assert (await counter.floor.one(Claim, id=second.claim.id)).outcome == "refund"


async def test_an_unseen_replacement_that_another_buyer_claims_is_out_of_use_when_refunded(
    counter: Counter, lin: int
) -> None:
    first = await counter.file()
    counter.conversation = await counter.floor.meet("buyer-2")
    second = await counter.file(code=counter.new_code(RESERVE[0]), reason=Reason.OTHER)

    await counter.resolve(second.ticket, lin, Outcome.REFUND)

    with pytest.raises(LinkGone):
        await counter.look(first.link)


async def test_a_code_that_the_bot_replaced_is_refunded_on_the_next_ticket_when_unseen(
    counter: Counter, lin: int
) -> None:
    first = await counter.file()
    counter.conversation = await counter.floor.meet("buyer-2")
    second = await counter.file()

    await counter.resolve(second.ticket, lin, Outcome.REFUND)

    with pytest.raises(LinkGone):
        await counter.look(first.link)


async def test_nobody_refunds_twice(counter: Counter, lin: int) -> None:
    await counter.resolve((await counter.file(reason=Reason.OTHER)).ticket, lin, Outcome.REFUND)
    again = await counter.file(reason=Reason.OTHER)

    with pytest.raises(AlreadyCompensated, match="it gets nothing more"):
        await counter.resolve(again.ticket, lin, Outcome.REFUND)


@pytest.mark.parametrize("outcome", [Outcome.REJECT, Outcome.INSTRUCT])
async def test_other_outcomes_leave_a_replacement_as_it_is(counter: Counter, lin: int, outcome: Outcome) -> None:
    settled = await granted(counter, lin)

    await counter.resolve(settled.ticket, lin, outcome)

    assert await counter.look(settled.link) == RESERVE[0]
    assert (await counter.floor.one(Claim)).outcome == "replace"


async def test_refunding_and_looking_at_once_never_give_both(counter: Counter, lin: int) -> None:
    settled, later = await granted(counter, lin), counter.floor.now + HOUR
    assert settled.ticket is not None
    asked = (settled.ticket.id, lin, ORDER)

    ends = await asyncio.gather(
        counter.floor.do(counter.refunds.ask, *asked, claim_id=settled.claim.id, at=later),
        # A clock a little behind: what was closed "later" is closed all the same.
        counter.look(settled.link, at=later - HOUR / 60),
        return_exceptions=True,
    )

    assert [type(end) for end in ends] in ([Refund, LinkGone], [CodeSeen, str])


# A new link


async def test_an_agent_sends_a_new_link_when_the_first_ended_unseen(counter: Counter, lin: int) -> None:
    settled, later = await granted(counter, lin), counter.floor.now + 2 * DAY

    link = await renew(counter, settled, lin, at=later)
    (sent,) = await counter.floor.deliver(at=later)

    assert sent.startswith("zh:claim.link_renewed")
    assert MARK in sent
    assert (await counter.floor.all(Message, direction="out"))[-1].link_id == link.id
    assert await counter.look(link, at=later) == RESERVE[0]
    assert len(await counter.floor.all(Replacement)) == 1
    assert (await counter.floor.one(AuditRow, action="claim.link_renewed")).after == {"link": link.id}
    assert settled.ticket is not None
    assert (await counter.floor.fresh(settled.ticket)).phase == Phase.WAITING
    assert [clock.met_at for clock in await counter.floor.all(Clock)][-1] == later


async def test_a_new_link_ends_the_one_before(counter: Counter, lin: int) -> None:
    settled = await granted(counter, lin)

    link = await renew(counter, settled, lin)

    with pytest.raises(LinkGone):
        await counter.look(settled.link)
    assert await counter.look(link) == RESERVE[0]


async def test_a_settled_ticket_stays_settled_by_a_new_link(counter: Counter, lin: int) -> None:
    settled = await counter.grant((await counter.file(reason=Reason.OTHER)).ticket, lin)
    await counter.floor.deliver()

    await renew(counter, settled, lin)

    assert settled.ticket is not None
    assert (await counter.floor.fresh(settled.ticket)).phase == Phase.RESOLVED
    assert len(await counter.floor.queued()) == 1


async def test_what_the_bot_settled_without_a_ticket_is_linked_again_on_any_of_the_conversation(
    counter: Counter, lin: int
) -> None:
    settled = await counter.file()
    ticket = await counter.floor.open(counter.conversation)

    assert await counter.look(await renew(counter, settled, lin, ticket)) == RESERVE[0]


async def see(counter: Counter, settled: Settled, agent: int) -> None:
    await counter.look(settled.link)


async def refund(counter: Counter, settled: Settled, agent: int) -> None:
    await counter.resolve(settled.ticket, agent, Outcome.REFUND)


async def take(counter: Counter, settled: Settled, agent: int) -> None:
    assert settled.ticket is not None
    other = await counter.floor.hire("other")
    await counter.floor.do(counter.floor.desk.take, settled.ticket.id, other)


@pytest.mark.parametrize(
    ("happens", "error"),
    [
        pytest.param(see, CodeSeen, id="seen"),
        pytest.param(refund, AlreadyCompensated, id="refunded"),
        pytest.param(take, HeldByColleague, id="in a colleague's hands"),
    ],
)
async def test_a_link_that_may_not_be_renewed(
    counter: Counter,
    lin: int,
    happens: Callable[[Counter, Settled, int], Awaitable[None]],
    error: type[TicketError],
) -> None:
    settled = await granted(counter, lin)
    await happens(counter, settled, lin)
    links = await counter.floor.all(RevealLink)

    with pytest.raises(error):
        await renew(counter, settled, lin)

    assert await counter.floor.all(RevealLink) == links


async def test_there_must_be_a_replacement_in_use_and_in_this_conversation(counter: Counter, lin: int) -> None:
    open_claim = await counter.file(reason=Reason.OTHER)
    other = await counter.file(code=counter.new_code("SOLD-2"))
    stranger = await counter.floor.open(await counter.floor.meet("buyer-2"))

    for settled, ticket in ((open_claim, open_claim.ticket), (other, stranger)):
        with pytest.raises(NoReplacement):
            await renew(counter, settled, lin, ticket)
    with pytest.raises(NoReplacement):
        await counter.floor.do(counter.claims.renew_link, id_of(stranger), lin, 404)


async def test_a_replacement_that_was_itself_replaced_is_not_linked_again(counter: Counter, lin: int) -> None:
    settled = await granted(counter, lin)
    await counter.file(code=counter.new_code(await counter.look(settled.link)))

    with pytest.raises(NoReplacement):
        await renew(counter, settled, lin)


# Two buyers, one code


async def contested(counter: Counter) -> tuple[Settled, Settled]:
    """The same claim by two buyers: the first one's, and the second one's."""
    first = await counter.file(reason=Reason.OTHER)
    counter.conversation = await counter.floor.meet("buyer-2")
    return first, await counter.file(reason=Reason.ALREADY_USED)


async def test_another_buyer_gets_a_ticket_of_their_own_that_names_the_other_for_staff_alone(counter: Counter) -> None:
    first, second = await contested(counter)

    assert first.ticket is not None
    assert second.ticket is not None
    assert (second.kind, second.why, second.is_repeat) == ("ticket", "contested", False)
    assert second.ticket.buyer_id == counter.conversation.buyer_id
    notes = [(note.ticket_id, note.text) for note in await counter.floor.all(Message, is_note=True)]
    assert notes == [
        (second.ticket.id, f"zh:notice.contested number={first.ticket.number} masked=****-OLD1"),
        (first.ticket.id, f"zh:notice.contested number={second.ticket.number} masked=****-OLD1"),
    ]
    assert await counter.floor.queued() == []


async def test_filed_again_each_buyer_finds_their_own_ticket(counter: Counter) -> None:
    first, second = await contested(counter)
    again = await counter.file()
    counter.conversation = await counter.floor.meet()
    first_again = await counter.file()

    assert second.ticket is not None
    assert first.ticket is not None
    assert again.ticket is not None
    assert first_again.ticket is not None
    assert (again.ticket.id, again.is_repeat) == (second.ticket.id, True)
    assert (first_again.ticket.id, first_again.is_repeat) == (first.ticket.id, True)
    assert len(await counter.floor.all(Ticket)) == 2


@pytest.mark.parametrize("times", [2, 6])
async def test_buyers_who_file_at_once_get_a_ticket_each(counter: Counter, times: int) -> None:
    order = replace(ORDER, refunded=1)
    meetings = [await counter.floor.meet(f"buyer-{number}") for number in range(times)]
    counters = [replace(counter, conversation=conversation) for conversation in meetings]

    ends = await asyncio.gather(*(one.file(order) for one in counters))

    assert len({end.ticket.id for end in ends if end.ticket}) == times
    assert {end.ticket.buyer_id for end in ends if end.ticket} == {one.conversation.buyer_id for one in counters}
    assert sorted(end.why for end in ends) == ["contested"] * (times - 1) + ["refunded"]
    assert len([claim for claim in await counter.floor.all(Claim) if claim.decided_at is None]) == 1


async def test_the_open_claim_is_settled_first(counter: Counter, lin: int) -> None:
    first, second = await contested(counter)

    with pytest.raises(TicketError, match=r"open on K-000001; settle that one first"):
        await counter.grant(second.ticket, lin)
    await counter.resolve(first.ticket, lin, Outcome.REJECT)

    assert (await counter.grant(second.ticket, lin)).kind == "replaced"
    assert (await counter.floor.one(Claim, id=second.claim.id)).outcome == "replace"


async def test_two_buyers_get_one_compensation(counter: Counter, lin: int) -> None:
    first, second = await contested(counter)

    await counter.resolve(second.ticket, lin, Outcome.REFUND)

    with pytest.raises(AlreadyCompensated):
        await counter.grant(first.ticket, lin)
    with pytest.raises(AlreadyCompensated):
        await counter.resolve(first.ticket, lin, Outcome.REFUND)


async def test_without_the_guard_the_second_buyer_is_told_of_a_foreign_ticket(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: it takes any open claim for the buyer's own."""

    async def find_any(session: AsyncSession, buyer_id: int, *of: Any) -> Claim | None:
        from tickets.filing import find_open

        return await find_open(session, *of)

    monkeypatch.setattr("tickets.filing.find_undecided", find_any)

    first, second = await contested(counter)

    assert first.ticket is not None
    assert second.ticket is not None
    assert second.ticket.id == first.ticket.id
