"""The figure of what buyers thought: who was in the cohort, who was asked, who answered."""

from datetime import timedelta

from tests.tickets.conftest import Floor
from tests.tickets.test_ratings import deliver, end
from tickets import canary
from tickets.satisfaction import Asking, Satisfaction, satisfaction
from tickets.tables import Ending, Outcome, Rating

HOUR = timedelta(hours=1)


async def report(floor: Floor, *, later: timedelta = HOUR) -> Satisfaction:
    now, answer_within = floor.now + later, floor.desk.rules.ratings.answer_within
    async with floor.database.reading() as session:
        return await satisfaction(session, floor.now, floor.now + 2 * HOUR, now, answer_within)


async def resolve(floor: Floor, agent: int, *, is_delivered: bool = True) -> int:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, agent, Outcome.INSTRUCT)
    if is_delivered:
        await deliver(floor)
    return ticket.buyer_id


async def test_every_cycle_that_ended_has_one_place(floor: Floor, lin: int) -> None:
    for _ in range(3):
        buyer_id = await resolve(floor, lin)
    first, second, _ = await floor.all(Rating)
    await floor.do(floor.desk.rate, buyer_id, first.cycle_id, 5)
    await floor.do(floor.desk.rate, buyer_id, second.cycle_id, 2)
    await floor.do(floor.desk.comment, buyer_id, second.cycle_id, "慢")
    await resolve(floor, lin, is_delivered=False)
    for outcome in (Ending.CLOSED, Ending.MERGED, Ending.SPAM):
        await end(floor, await floor.open(), outcome)
    await floor.open()  # has not ended

    found = await report(floor)

    assert (found.n, found.served, found.asked, found.answered) == (5, 4, 3, 2)
    assert {asking: found.count(asking) for asking in Asking} == {
        Asking.ANSWERED: 2,
        Asking.AWAITED: 1,
        Asking.SILENT: 0,
        Asking.UNASKED: 1,
        Asking.ALONE: 1,
    }
    assert found.scores == {5: 1, 4: 0, 3: 0, 2: 1, 1: 0}
    assert found.mean == 3.5
    poor = next(row for row in found.rows if row.score == 2)
    assert (poor.comment, poor.agent) == ("慢", "Lin")


async def test_who_does_not_answer_in_time_is_silent(floor: Floor, lin: int) -> None:
    await resolve(floor, lin)

    found = await report(floor, later=floor.desk.rules.ratings.answer_within + HOUR)

    assert [row.asking for row in found.rows] == [Asking.SILENT]
    assert found.mean is None


async def test_a_cycle_counts_in_the_span_in_which_it_ended(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.REJECT, at=floor.now + 2 * HOUR)

    assert (await report(floor)).n == 0


async def test_the_canary_is_no_cycle_of_anybody(floor: Floor) -> None:
    await floor.do(canary.set_canary)

    assert (await report(floor)).rows == ()
