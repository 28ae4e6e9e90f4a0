"""Merging and splitting: nobody gains time by either."""

import asyncio
from datetime import timedelta

import pytest

from audit.errors import KadeskError
from audit.tables import AuditRow
from tests.tickets.conftest import Floor, Result, Verb, say
from tickets.desk import Desk, DeskRules
from tickets.errors import (
    AlreadyMerged,
    CodeInText,
    HeldByColleague,
    InvalidTransition,
    Nested,
    NothingChosen,
    OtherBuyer,
    SameTicket,
    SeveralClaims,
    StaleTicket,
)
from tickets.meant import find_next, spoken_of
from tickets.relations import relations_of
from tickets.sla import Metric, Policy
from tickets.tables import (
    Claim,
    Clock,
    Cycle,
    Ending,
    Escalation,
    Level,
    LinkKind,
    Message,
    Outcome,
    Phase,
    Ticket,
    TicketTag,
    Tier,
)

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
RULES = DeskRules(policies=(Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=24 * HOUR),))


@pytest.fixture
def desk() -> Desk:
    return Desk(say, RULES)


async def running(floor: Floor, ticket: Ticket) -> dict[str, Clock]:
    clocks = await floor.all(Clock, ticket_id=ticket.id)
    return {clock.metric: clock for clock in clocks if clock.met_at is None and clock.stopped_at is None}


async def answer(floor: Floor, ticket: Ticket, agent: int, after: timedelta) -> None:
    await floor.do(floor.desk.reply, ticket.id, agent, "您好", at=floor.now + after)
    await floor.deliver(at=floor.now + after)


async def claim(floor: Floor, ticket: Ticket, fingerprint: str) -> None:
    facts = {"shop": "demo", "order_no": "A1", "masked": "****", "position": 1, "sku": "S", "product_name": "卡"}
    async with floor.database.writing() as session:
        session.add(
            Claim(
                conversation_id=ticket.conversation_id,
                buyer_id=ticket.buyer_id,
                ticket_id=ticket.id,
                fingerprint=fingerprint,
                price=100,
                currency="CNY",
                reason="expired",
                created_at=floor.now,
                **facts,
            )
        )


# Merging


async def test_the_target_is_due_when_the_older_ticket_was_and_stands_where_it_stood(floor: Floor, lin: int) -> None:
    old = await floor.open()
    new = await floor.open(at=floor.now + 5 * HOUR)

    await floor.do(floor.desk.merge, old.id, new.id, lin, at=floor.now + 6 * HOUR)

    target, source = await floor.fresh(new), await floor.fresh(old)
    assert (target.waiting_since, target.rank_at) == (floor.now, floor.now)
    assert {metric: clock.due_at for metric, clock in (await running(floor, new)).items()} == {
        Metric.HANDLING: floor.now + 24 * HOUR,
        Metric.RESOLUTION: floor.now + 72 * HOUR,
    }
    assert (source.phase, source.merged_into_id, source.waiting_since) == (Phase.CLOSED, new.id, None)
    assert {clock.stopped_at for clock in await floor.all(Clock, ticket_id=old.id)} == {floor.now + 6 * HOUR}
    cycle = await floor.one(Cycle, ticket_id=old.id)
    assert (cycle.outcome, cycle.resolved_at) == (Ending.MERGED, floor.now + 6 * HOUR)


async def test_a_younger_source_moves_nothing(floor: Floor, lin: int) -> None:
    old = await floor.open()
    new = await floor.open(at=floor.now + 5 * HOUR)
    before = await running(floor, old)

    await floor.do(floor.desk.merge, new.id, old.id, lin, at=floor.now + 6 * HOUR)

    assert await running(floor, old) == before
    assert (await floor.fresh(old)).waiting_since == floor.now


async def test_the_merged_ticket_is_escalated_once_and_when_the_older_was_due(floor: Floor, lin: int) -> None:
    old = await floor.open()
    new = await floor.open(at=floor.now + 5 * HOUR)
    await floor.do(floor.desk.merge, old.id, new.id, lin, at=floor.now + 6 * HOUR)

    swept = await floor.sweep(floor.now + 24 * HOUR + SECOND)

    assert swept.escalated == 1
    rise = await floor.one(Escalation)
    assert (rise.ticket_id, rise.due_at) == (new.id, floor.now + 24 * HOUR)
    assert (await floor.fresh(old)).phase == Phase.CLOSED


async def test_what_a_sweep_has_done_is_not_done_again(floor: Floor, lin: int) -> None:
    old = await floor.open()
    new = await floor.open(at=floor.now + 23 * HOUR)
    await floor.sweep(floor.now + 24 * HOUR + SECOND)

    await floor.do(floor.desk.merge, old.id, new.id, lin, at=floor.now + 25 * HOUR)
    again = await floor.sweep(floor.now + 26 * HOUR)

    target = await floor.fresh(new)
    assert (again.escalated, again.late, target.level) == (0, 0, Level.HUMAN_QUEUE)
    assert (await running(floor, new))[Metric.HANDLING].breached_at == floor.now + 24 * HOUR
    lead = await floor.sweep(floor.now + 28 * HOUR + SECOND)
    assert (lead.escalated, (await floor.fresh(new)).level) == (1, Level.LEAD)


@pytest.mark.parametrize("is_owed", [False, True])
async def test_a_reply_that_is_under_way_answers_what_it_was_written_for(floor: Floor, lin: int, is_owed: bool) -> None:
    target = await floor.open()
    if not is_owed:
        await answer(floor, target, lin, HOUR)
    source = await floor.open(at=floor.now + 2 * HOUR)
    await floor.do(floor.desk.reply, source.id, lin, "换好了", at=floor.now + 3 * HOUR)

    await floor.do(floor.desk.merge, source.id, target.id, lin, at=floor.now + 3 * HOUR)
    await floor.deliver(at=floor.now + 4 * HOUR)

    handling = (await floor.all(Clock, ticket_id=target.id, metric=Metric.HANDLING))[-1]
    assert handling.met_at == (None if is_owed else floor.now + 4 * HOUR)


async def test_a_promise_that_the_target_has_kept_goes_on_for_the_source(floor: Floor, lin: int) -> None:
    target = await floor.open()
    await answer(floor, target, lin, HOUR)
    source = await floor.open(at=floor.now + 2 * HOUR)

    await floor.do(floor.desk.merge, source.id, target.id, lin, at=floor.now + 3 * HOUR)

    met, owed = await floor.all(Clock, ticket_id=target.id, metric=Metric.HANDLING)
    assert (met.met_at, owed.met_at) == (floor.now + HOUR, None)
    assert (owed.ordinal, owed.due_at) == (2, floor.now + 26 * HOUR)
    ticket = await floor.fresh(target)
    assert (ticket.phase, ticket.waiting_since) == (Phase.OPEN, floor.now + 2 * HOUR)


async def test_the_pauses_of_both_tickets_count_where_they_belong(floor: Floor, lin: int) -> None:
    old, new = await floor.open(), await floor.open(at=floor.now + 10 * HOUR)
    await answer(floor, old, lin, HOUR)
    await floor.speak(old, at=floor.now + 6 * HOUR)
    await answer(floor, new, lin, 11 * HOUR)
    before = (await running(floor, old))[Metric.RESOLUTION].due_at

    await floor.do(floor.desk.merge, old.id, new.id, lin, at=floor.now + 12 * HOUR)
    joined = (await running(floor, new))[Metric.RESOLUTION].due_at
    await answer(floor, new, lin, 20 * HOUR)
    await floor.speak(new, at=floor.now + 23 * HOUR)

    assert before == joined == floor.now + 77 * HOUR
    assert (await running(floor, new))[Metric.RESOLUTION].due_at == floor.now + 80 * HOUR


async def test_merges_of_merges_end_at_the_last(floor: Floor, lin: int) -> None:
    first, second, third = [await floor.open(at=floor.now + number * HOUR) for number in range(3)]
    await floor.do(floor.desk.merge, first.id, second.id, lin, at=floor.now + 4 * HOUR)
    await floor.do(floor.desk.merge, second.id, third.id, lin, at=floor.now + 5 * HOUR)

    heard = await floor.speak(first, "还在吗", at=floor.now + 6 * HOUR)

    assert heard.ticket.id == third.id
    clocks = await running(floor, third)
    assert {clock.due_at - clock.started_at for clock in clocks.values()} == {24 * HOUR, 72 * HOUR}
    assert {clock.started_at for clock in clocks.values()} == {floor.now}
    assert await running(floor, first) == await running(floor, second) == {}
    assert {one.ticket_id for one in await floor.all(Message, direction="in")} == {third.id}


async def test_pauses_after_two_merges_count_for_the_first_matter(floor: Floor, lin: int) -> None:
    first, second, third = [await floor.open(at=floor.now + number * HOUR) for number in range(3)]
    await floor.do(floor.desk.merge, first.id, second.id, lin, at=floor.now + 4 * HOUR)
    await answer(floor, second, lin, 5 * HOUR)
    await floor.do(floor.desk.merge, second.id, third.id, lin, at=floor.now + 7 * HOUR)
    await answer(floor, third, lin, 10 * HOUR)
    await floor.speak(third, at=floor.now + 11 * HOUR)

    assert (await running(floor, third))[Metric.RESOLUTION].due_at == floor.now + 75 * HOUR


async def test_what_belongs_to_the_source_moves_and_the_buyer_is_told_once(floor: Floor, lin: int) -> None:
    web = await floor.meet()
    old, new = await floor.open(web), await floor.open(web)
    await floor.speak(old, "第一句")
    await floor.do(floor.desk.hurry, old)
    await floor.do(floor.desk.note, old.id, lin, "看过了")
    await floor.do(floor.desk.tag, old.id, lin, ["steam"])
    await claim(floor, old, "one")

    await floor.do(floor.desk.merge, old.id, new.id, lin)

    assert (await floor.one(Claim)).ticket_id == new.id
    assert await floor.all(Message, ticket_id=old.id) == []
    assert len(await floor.all(Message, ticket_id=new.id)) == 3  # the word, the note, and what the buyer is told
    assert await floor.queued() == [f"zh:ticket.merged number={old.number} into={new.number}"]
    target = await floor.fresh(new)
    assert (target.hurries, target.hurried_at) == (1, floor.now)
    assert [tag.tag for tag in await floor.all(TicketTag, ticket_id=new.id)] == ["steam"]
    assert "claim.moved" in [row.action for row in await floor.all(AuditRow)]
    assert (await floor.actions(old))[-1] == "ticket.merged"
    assert (await floor.actions(new))[-1] == "ticket.joined"


async def test_a_word_in_the_conversation_of_a_merged_ticket_is_about_the_target(floor: Floor, lin: int) -> None:
    old, new = await floor.open(await floor.meet("web")), await floor.open(await floor.meet("other"))
    async with floor.database.writing() as session:
        (await session.get_one(Ticket, new.id)).buyer_id = old.buyer_id  # one buyer, two channels
    await floor.speak(old)

    await floor.do(floor.desk.merge, old.id, new.id, lin)

    async with floor.database.reading() as session:
        here = await floor.meet("web")
        assert [ticket.id for ticket in await spoken_of(session, here)] == [new.id]
        assert (await find_next(session, await floor.fresh(old))).id == new.id  # type: ignore[union-attr]


async def test_merging_a_waiting_source_keeps_the_target_waiting(floor: Floor, lin: int) -> None:
    old, new = await floor.open(), await floor.open()
    await answer(floor, old, lin, HOUR)
    await answer(floor, new, lin, HOUR)
    before = (await running(floor, old))[Metric.RESOLUTION].due_at

    await floor.do(floor.desk.merge, old.id, new.id, lin, at=floor.now + 2 * HOUR)

    target = await floor.fresh(new)
    assert (target.phase, target.waiting_since) == (Phase.WAITING, None)
    assert (await running(floor, new))[Metric.RESOLUTION].due_at <= before


async def test_a_resolved_source_brings_no_promise(floor: Floor, lin: int) -> None:
    old, new = await floor.open(), await floor.open()
    await floor.do(floor.desk.resolve, old.id, lin, Outcome.INSTRUCT)
    await floor.deliver()
    before = await running(floor, new)

    await floor.do(floor.desk.merge, old.id, new.id, lin)

    assert await running(floor, new) == before
    assert (await floor.one(Cycle, ticket_id=old.id)).outcome == Outcome.INSTRUCT


async def test_a_vip_who_waited_stands_before_others_after_the_merge(floor: Floor, lin: int) -> None:
    vip = await floor.meet("vip", Tier.VIP)
    old, new = await floor.open(vip), await floor.open(vip, at=floor.now + HOUR)

    await floor.do(floor.desk.merge, old.id, new.id, lin, at=floor.now + 2 * HOUR)

    assert (await floor.fresh(new)).rank_at == floor.now - 2 * HOUR


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("itself", SameTicket),
        ("merged target", AlreadyMerged),
        ("merged source", AlreadyMerged),
        ("another buyer", OtherBuyer),
        ("closed source", InvalidTransition),
        ("resolved target", InvalidTransition),
        ("an incident into a part", Nested),
        ("an old page", StaleTicket),
        ("a colleague's ticket", HeldByColleague),
    ],
)
async def test_what_cannot_be_merged_is_refused_clearly(
    floor: Floor, lin: int, ming: int, case: str, error: type[KadeskError]
) -> None:
    source, target, other = await floor.open(), await floor.open(), await floor.open()
    version = None
    match case:
        case "itself":
            target = source
        case "merged target":
            await floor.do(floor.desk.merge, target.id, other.id, lin)
        case "merged source":
            await floor.do(floor.desk.merge, source.id, other.id, lin)
        case "another buyer":
            target = await floor.open(await floor.meet("stranger"))
        case "closed source":
            await floor.do(floor.desk.mark_spam, source.id, lin)
        case "resolved target":
            await floor.do(floor.desk.resolve, target.id, lin, Outcome.INSTRUCT)
        case "an incident into a part":
            await floor.do(floor.desk.set_parent, other.id, source.id, lin)
            await floor.do(floor.desk.set_parent, target.id, (await floor.open()).id, lin)
        case "an old page":
            version = (await floor.fresh(source)).version - 1
        case "a colleague's ticket":
            await floor.do(floor.desk.take, source.id, ming)
    before = await floor.all(Ticket)

    with pytest.raises(error):
        await floor.do(floor.desk.merge, source.id, target.id, lin, version)

    assert await floor.all(Ticket) == before


async def test_two_undecided_claims_are_decided_in_the_ticket_that_both_are_in_never_by_one_word(
    floor: Floor, lin: int
) -> None:
    source, target = await floor.open(), await floor.open()
    for ticket, fingerprint in ((source, "f1"), (target, "f2")):
        await claim(floor, ticket, fingerprint)

    await floor.do(floor.desk.merge, source.id, target.id, lin)
    with pytest.raises(SeveralClaims):
        await floor.do(floor.desk.resolve, target.id, lin, Outcome.REJECT)
    await floor.do(floor.desk.resolve, target.id, lin, Outcome.REJECT, is_for_all=True)

    decided = await floor.all(Claim, ticket_id=target.id)
    assert [(one.fingerprint, one.outcome) for one in decided] == [("f1", "reject"), ("f2", "reject")]


async def attempt(floor: Floor, verb: Verb[Result], *arguments: object) -> Result | KadeskError:
    try:
        return await floor.do(verb, *arguments)
    except KadeskError as refusal:
        return refusal


async def test_of_two_merges_that_cross_one_wins(floor: Floor, lin: int) -> None:
    one, other = await floor.open(), await floor.open()

    ends = await asyncio.gather(
        attempt(floor, floor.desk.merge, one.id, other.id, lin),
        attempt(floor, floor.desk.merge, other.id, one.id, lin),
    )

    assert len([end for end in ends if isinstance(end, AlreadyMerged)]) == 1
    assert {ticket.phase for ticket in await floor.all(Ticket)} == {Phase.CLOSED, Phase.OPEN}
    assert len(await floor.queued()) == 1


async def test_words_said_while_tickets_are_merged_are_heard_in_what_is_left(floor: Floor, lin: int) -> None:
    first, second = await floor.open(), await floor.open()

    await asyncio.gather(
        *(floor.speak(first, f"第 {number} 句") for number in range(3)),
        floor.do(floor.desk.merge, first.id, second.id, lin),
        *(floor.speak(first, f"第 {number} 句") for number in range(3, 6)),
    )

    assert {one.ticket_id for one in await floor.all(Message, direction="in")} == {second.id}
    assert (await floor.fresh(second)).waiting_since == floor.now


# Splitting


async def words_of(floor: Floor, ticket: Ticket) -> list[int]:
    return [message.id or 0 for message in await floor.all(Message, ticket_id=ticket.id, direction="in")]


async def test_a_code_in_the_subject_of_a_split_is_refused(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.speak(ticket, "第一件")
    await floor.speak(ticket, "另一件")
    _, second = await words_of(floor, ticket)

    with pytest.raises(CodeInText):
        await floor.do(floor.desk.split, ticket.id, lin, [second], "7K2Q9-XPLM4-TRWE3")

    assert len(await floor.all(Ticket)) == 1


async def test_a_split_has_waited_as_long_and_is_due_in_the_same_instants(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.speak(ticket, "第一件")
    await floor.speak(ticket, "另一件", at=floor.now + 3 * HOUR)
    before = await running(floor, ticket)
    _, second = await words_of(floor, ticket)

    new = await floor.do(floor.desk.split, ticket.id, lin, [second], "另一件事", at=floor.now + 4 * HOUR)

    dues = {metric: clock.due_at for metric, clock in before.items()}
    assert {metric: clock.due_at for metric, clock in (await running(floor, new)).items()} == dues
    assert await running(floor, ticket) == before
    split = await floor.fresh(new)
    assert (split.waiting_since, split.phase, split.subject) == (floor.now, Phase.OPEN, "另一件事")
    assert (split.number, split.conversation_id, split.level) == ("K-000002", ticket.conversation_id, ticket.level)
    assert await words_of(floor, new) == [second]
    async with floor.database.reading() as session:
        (relation,) = await relations_of(session, ticket.id or 0)
    assert (relation.ticket.id, relation.kind, relation.is_earlier) == (new.id, LinkKind.SPLIT, False)
    assert await floor.queued() == [f"zh:ticket.split number={ticket.number} new={new.number}"]
    assert "ticket.split" in await floor.actions(ticket)
    assert "ticket.split_off" in await floor.actions(new)


async def test_words_split_off_an_answered_ticket_are_owed_an_answer_since_they_were_said(
    floor: Floor, lin: int
) -> None:
    ticket = await floor.open()
    await floor.speak(ticket, "另一件", at=floor.now + HOUR)
    await answer(floor, ticket, lin, 2 * HOUR)
    promised = (await running(floor, ticket))[Metric.RESOLUTION].due_at

    new = await floor.do(
        floor.desk.split, ticket.id, lin, await words_of(floor, ticket), "另一件事", at=floor.now + 3 * HOUR
    )

    clocks = await running(floor, new)
    assert clocks[Metric.HANDLING].due_at == floor.now + 25 * HOUR
    assert floor.now + 72 * HOUR <= clocks[Metric.RESOLUTION].due_at <= promised
    assert (await floor.fresh(new)).waiting_since == floor.now + HOUR
    assert (await floor.fresh(ticket)).phase == Phase.WAITING


@pytest.mark.parametrize("case", ["nothing", "another ticket's", "only ours"])
async def test_a_split_needs_words_of_the_buyer_on_this_ticket(floor: Floor, lin: int, case: str) -> None:
    ticket, other = await floor.open(), await floor.open()
    await floor.speak(other)
    note = await floor.do(floor.desk.note, ticket.id, lin, "看过了")
    chosen = {"nothing": [], "another ticket's": await words_of(floor, other), "only ours": [note.id]}[case]

    with pytest.raises(NothingChosen):
        await floor.do(floor.desk.split, ticket.id, lin, chosen, "另一件事")


async def test_a_settled_ticket_is_not_split(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.speak(ticket)
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)

    with pytest.raises(InvalidTransition):
        await floor.do(floor.desk.split, ticket.id, lin, await words_of(floor, ticket), "另一件事")
