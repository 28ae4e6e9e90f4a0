"""Ratings: asked once per cycle that people worked on, when its closing word has arrived; the first score counts."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from tests.tickets.conftest import Floor, say
from tickets.desk import Desk
from tickets.errors import RatingClosed, UnknownRating
from tickets.outbox import post
from tickets.rules import DeskRules, RatingRules
from tickets.tables import Author, Conversation, Cycle, Ending, Outcome, Outgoing, Phase, Rating, Ticket


async def deliver(floor: Floor) -> list[Rating]:
    """Send all, as delivery does; the ratings that were asked."""
    asked = []
    for row in await floor.all(Outgoing, state="queued"):
        await floor.deliver(at=row.created_at)
        if rating := await floor.do(floor.desk.ask_rating, row.id):
            asked.append(rating)
    return asked


async def settle(floor: Floor, agent: int) -> Ticket:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, agent)
    await floor.do(floor.desk.resolve, ticket.id, agent, Outcome.INSTRUCT, "重新登录就好")
    return ticket


async def test_the_delivery_of_the_closing_word_asks_once(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "马上看")
    assert await deliver(floor) == []

    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)
    assert await floor.all(Rating) == []
    (asked,) = await deliver(floor)
    closing = (await floor.all(Outgoing))[-1]

    cycle = await floor.one(Cycle)
    assert (asked.cycle_id, asked.agent_id, asked.asked_at, asked.score) == (cycle.id, lin, floor.now, None)
    assert await floor.do(floor.desk.ask_rating, closing.id) is None
    assert (await floor.actions(ticket)).count("rating.asked") == 1


async def test_each_cycle_is_asked_about(floor: Floor, lin: int) -> None:
    ticket = await settle(floor, lin)
    await deliver(floor)
    await floor.speak(ticket)
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.REJECT, at=floor.now + timedelta(hours=1))

    await deliver(floor)

    assert [rating.cycle_id for rating in await floor.all(Rating)] == [cycle.id for cycle in await floor.all(Cycle)]


async def test_who_came_back_before_the_closing_word_arrived_is_not_asked(floor: Floor, lin: int) -> None:
    ticket = await settle(floor, lin)
    await floor.speak(ticket)

    assert await deliver(floor) == []


async def end(floor: Floor, ticket: Ticket, outcome: str) -> None:
    """The ticket is over, with a closing word of the desk itself."""

    async def verb(session: AsyncSession, now: datetime) -> None:
        held = await session.get_one(Ticket, ticket.id)
        held.phase = held.status = Phase.CLOSED
        cycle = (await session.exec(select(Cycle).where(Cycle.ticket_id == ticket.id))).one()
        cycle.resolved_at, cycle.outcome = now, outcome
        conversation = await session.get_one(Conversation, ticket.conversation_id)
        await post(session, now, conversation, "结束了", author=Author.SYSTEM, ticket=held)

    await floor.do(verb, at=floor.now + timedelta(hours=1))


@pytest.mark.parametrize(
    ("is_answered", "outcome", "asked"),
    [
        pytest.param(True, Ending.CLOSED, 1, id="a person had answered"),
        pytest.param(False, Ending.CLOSED, 0, id="the bot alone"),
        pytest.param(True, Ending.SILENCE, 0, id="silence"),
        pytest.param(True, Ending.MERGED, 0, id="merged"),
        pytest.param(True, Ending.SPAM, 0, id="spam"),
    ],
)
async def test_only_who_was_served_by_people_is_asked(
    floor: Floor, lin: int, is_answered: bool, outcome: str, asked: int
) -> None:
    ticket = await floor.open()
    if is_answered:
        await floor.do(floor.desk.reply, ticket.id, lin, "马上看")
        await floor.deliver()
    await end(floor, ticket, outcome)

    assert len(await deliver(floor)) == asked


async def test_an_owner_may_ask_nobody(floor: Floor, lin: int) -> None:
    quiet = Floor(floor.database, Desk(say, DeskRules(ratings=RatingRules(ask=False))), floor.now)
    await settle(quiet, lin)

    assert await deliver(quiet) == []


async def rated(floor: Floor, lin: int) -> tuple[Ticket, int]:
    ticket = await settle(floor, lin)
    (asked,) = await deliver(floor)
    return ticket, asked.cycle_id


async def test_the_first_score_counts_and_may_be_corrected_for_a_moment(floor: Floor, lin: int) -> None:
    ticket, cycle_id = await rated(floor, lin)
    rate, window = floor.desk.rate, floor.desk.rules.ratings.correct_within

    await floor.do(rate, ticket.buyer_id, cycle_id, 1)
    await floor.do(rate, ticket.buyer_id, cycle_id, 5, at=floor.now + window)
    with pytest.raises(RatingClosed):
        await floor.do(rate, ticket.buyer_id, cycle_id, 1, at=floor.now + window + timedelta(seconds=1))

    rating = await floor.one(Rating)
    assert (rating.score, rating.rated_at) == (5, floor.now)
    corrected = await floor.one(AuditRow, action="rating.corrected")
    assert (corrected.before, corrected.after) == ({"score": 1}, {"score": 5})


async def test_a_score_has_one_comment(floor: Floor, lin: int) -> None:
    ticket, cycle_id = await rated(floor, lin)
    with pytest.raises(RatingClosed):
        await floor.do(floor.desk.comment, ticket.buyer_id, cycle_id, "没有打分")
    await floor.do(floor.desk.rate, ticket.buyer_id, cycle_id, 4)

    await floor.do(floor.desk.comment, ticket.buyer_id, cycle_id, " 很快 ")
    with pytest.raises(RatingClosed):
        await floor.do(floor.desk.comment, ticket.buyer_id, cycle_id, "又来")

    assert (await floor.one(Rating)).comment == "很快"
    assert (await floor.one(AuditRow, action="rating.commented")).after is None


async def test_nobody_rates_for_another_nor_what_was_never_asked(floor: Floor, lin: int) -> None:
    ticket, cycle_id = await rated(floor, lin)
    stranger = (await floor.meet("stranger")).buyer_id

    for buyer_id, cycle, score in ((stranger, cycle_id, 5), (ticket.buyer_id, 99, 5), (ticket.buyer_id, cycle_id, 6)):
        with pytest.raises(UnknownRating):
            await floor.do(floor.desk.rate, buyer_id, cycle, score)

    assert (await floor.one(Rating)).score is None


async def test_an_old_question_is_not_answered_any_more(floor: Floor, lin: int) -> None:
    ticket, cycle_id = await rated(floor, lin)
    late = floor.now + floor.desk.rules.ratings.answer_within + timedelta(seconds=1)
    assert await floor.do(floor.desk.find_asked, ticket.conversation_id) == cycle_id

    with pytest.raises(RatingClosed):
        await floor.do(floor.desk.rate, ticket.buyer_id, cycle_id, 5, at=late)

    assert await floor.do(floor.desk.find_asked, ticket.conversation_id, at=late) is None
