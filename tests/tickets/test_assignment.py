"""How tickets come into agents' hands: skills, capacity, availability, account managers, giving out."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, update

from tests.tickets.conftest import Floor, say
from tickets import conversations, queue, staff
from tickets.desk import Desk
from tickets.errors import HandsFull, IsAway, NotAllowed, UnknownAgent, UnknownBuyer
from tickets.routing import Assignment, Routing
from tickets.rules import DeskRules
from tickets.tables import Agent, Buyer, Level, Notice, Outcome, Phase, Role, Ticket, Tier

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HUMAN = Level.HUMAN_QUEUE
QUESTIONS = {"question": "codes"}  # what `Floor.open` opens


def run_by(floor: Floor, **choices: Any) -> None:
    floor.desk = Desk(say, DeskRules(routing=Routing(**choices)))


async def take_next(floor: Floor, agent: int, at: timedelta = timedelta()) -> int | None:
    return await floor.do(floor.desk.take_next, agent, at=floor.now + at)


async def test_a_queue_is_pulled_by_those_with_its_skill(floor: Floor, lin: int, ming: int) -> None:
    run_by(floor, queues=QUESTIONS)
    ticket = await floor.open()
    await floor.do(staff.set_skills, "ming", ["codes", " "])

    assert ticket.queue == "codes"
    assert await take_next(floor, lin) is None
    assert await take_next(floor, ming) == ticket.id


async def test_a_queue_may_ask_for_a_skill_of_another_name(floor: Floor, lin: int, ming: int) -> None:
    run_by(floor, queues=QUESTIONS, skills={"codes": "卡密 100%"})
    ticket = await floor.open()
    await floor.do(staff.set_skills, "lin", ["codes"])
    await floor.do(staff.set_skills, "ming", ["卡密 100%"])

    assert await take_next(floor, lin) is None
    assert await take_next(floor, ming) == ticket.id


async def test_what_rises_is_pulled_by_its_owners_too(floor: Floor, lin: int, chen: int, wang: int) -> None:
    run_by(floor, queues=QUESTIONS)
    human, lead, manager = [await floor.open(level=level) for level in (HUMAN, Level.LEAD, Level.MANAGER)]

    assert await take_next(floor, lin) is None
    assert [await take_next(floor, chen) for _ in range(2)] == [lead.id, None]
    assert [await take_next(floor, wang) for _ in range(2)] == [manager.id, None]
    await floor.do(staff.set_skills, "lin", ["codes"])
    assert await take_next(floor, lin) == human.id


async def test_the_order_goes_across_the_queues_of_an_agent(floor: Floor, lin: int) -> None:
    run_by(floor, queues=QUESTIONS)
    await floor.do(staff.set_skills, "lin", ["codes"])
    special = await floor.open(at=floor.now + MINUTE)
    run_by(floor)
    early, late = await floor.open(), await floor.open(at=floor.now + 2 * MINUTE)
    run_by(floor, queues=QUESTIONS)

    assert [await take_next(floor, lin, HOUR) for _ in range(3)] == [early.id, special.id, late.id]


async def test_hands_hold_so_many_and_waiting_tickets_take_no_room(floor: Floor, lin: int) -> None:
    run_by(floor, capacity=2)
    tickets = [await floor.open() for _ in range(4)]
    for ticket in tickets[:2]:
        assert await take_next(floor, lin) == ticket.id

    with pytest.raises(HandsFull):
        await take_next(floor, lin)
    await floor.do(floor.desk.reply, tickets[0].id, lin, "您好")
    assert await take_next(floor, lin) == tickets[2].id
    await floor.do(staff.set_capacity, "lin", 3)
    assert await take_next(floor, lin) == tickets[3].id


async def test_pressing_many_times_at_once_takes_no_more_than_the_hands_hold(floor: Floor, lin: int) -> None:
    run_by(floor, capacity=3)
    for _ in range(8):
        await floor.open()

    took = await asyncio.gather(*(take_next(floor, lin) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(one, int) for one in took) == 3
    assert sum(isinstance(one, HandsFull) for one in took) == 5


async def test_sleeping_tickets_are_in_no_queue(floor: Floor, lin: int) -> None:
    ticket, other = await floor.open(), await floor.open()
    async with floor.database.writing() as session:
        asleep = update(Ticket).where(col(Ticket.id) == ticket.id).values(snoozed_until=floor.now + HOUR)
        await session.exec(asleep)

    async with floor.database.reading() as session:
        assert await queue.position(session, await session.get_one(Ticket, ticket.id)) == 0
        assert await queue.position(session, await session.get_one(Ticket, other.id)) == 1
    assert [await take_next(floor, lin) for _ in range(2)] == [other.id, None]


async def keep(floor: Floor, manager: str = "ming") -> Ticket:
    """A merchant's ticket, whose account manager is `manager`."""
    merchant = await floor.meet("merchant", Tier.MERCHANT)
    await floor.do(staff.set_account_manager, merchant.buyer_id, manager)
    return await floor.open(merchant, level=HUMAN)


async def test_a_merchants_ticket_is_kept_for_its_manager_for_a_while(floor: Floor, lin: int, ming: int) -> None:
    kept, other = await keep(floor), await floor.open(level=HUMAN)

    assert await take_next(floor, lin) == other.id
    assert await take_next(floor, lin, 29 * MINUTE) is None
    assert await take_next(floor, ming, 29 * MINUTE) == kept.id


async def test_after_that_it_is_free_to_all(floor: Floor, lin: int, ming: int) -> None:
    kept = await keep(floor)

    assert await take_next(floor, lin, 30 * MINUTE) == kept.id


async def test_it_is_not_kept_for_a_manager_who_is_away(floor: Floor, lin: int, ming: int) -> None:
    kept = await keep(floor)
    await floor.do(floor.desk.set_away, ming, ming)

    assert await take_next(floor, lin) == kept.id


async def test_it_is_not_kept_for_a_manager_who_does_not_pull_from_its_queue(floor: Floor, lin: int, ming: int) -> None:
    run_by(floor, queues=QUESTIONS)
    await floor.do(staff.set_skills, "lin", ["codes"])
    kept = await keep(floor)

    assert await take_next(floor, lin) == kept.id


async def test_what_has_risen_to_the_leads_waits_for_no_manager(floor: Floor, lin: int, chen: int, ming: int) -> None:
    kept = await keep(floor)
    async with floor.database.writing() as session:
        await session.exec(update(Ticket).where(col(Ticket.id) == kept.id).values(level=Level.LEAD))

    assert await take_next(floor, chen) == kept.id


async def test_nobody_is_made_manager_of_nothing(floor: Floor, ming: int) -> None:
    merchant = await floor.meet()

    with pytest.raises(UnknownBuyer):
        await floor.do(staff.set_account_manager, 99, "ming")
    with pytest.raises(UnknownAgent):
        await floor.do(staff.set_account_manager, merchant.buyer_id, "nobody")
    await floor.do(staff.set_account_manager, merchant.buyer_id, "ming")
    await floor.do(staff.set_account_manager, merchant.buyer_id, None)
    assert (await floor.one(Buyer, id=merchant.buyer_id)).account_manager_id is None


async def test_whoever_is_away_takes_nothing_and_keeps_what_they_hold(floor: Floor, lin: int) -> None:
    held, _ = await floor.open(), await floor.open()
    await take_next(floor, lin)

    await floor.do(floor.desk.set_away, lin, lin)

    with pytest.raises(IsAway):
        await take_next(floor, lin)
    assert (await floor.fresh(held)).assignee_id == lin
    await floor.do(floor.desk.set_back, lin, lin)
    assert await take_next(floor, lin) is not None


async def test_going_away_can_give_tickets_back_to_where_they_stood(floor: Floor, lin: int, ming: int) -> None:
    first, second, answered = [await floor.open(at=floor.now + number * MINUTE) for number in range(3)]
    for ticket in (first, answered):
        await floor.do(floor.desk.take, ticket.id, lin)
    await floor.do(floor.desk.reply, answered.id, lin, "您好")

    await floor.do(floor.desk.set_away, lin, lin, at=floor.now + HOUR, give_back=True)

    assert (await floor.fresh(first)).waiting_since == floor.now
    assert (await floor.fresh(answered)).assignee_id == lin
    assert [await take_next(floor, ming) for _ in range(2)] == [first.id, second.id]


async def test_a_buyer_who_comes_back_to_somebody_away_stands_in_the_queue(floor: Floor, lin: int, ming: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    await floor.do(floor.desk.set_away, lin, lin)

    await floor.speak(ticket)

    assert (await floor.fresh(ticket)).assignee_id is None
    assert await take_next(floor, ming) == ticket.id


async def test_a_buyer_who_comes_back_to_somebody_there_stays_with_them(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")

    await floor.speak(ticket)

    assert (await floor.fresh(ticket)).assignee_id == lin


async def test_what_a_switched_off_account_held_is_free(floor: Floor, lin: int, ming: int) -> None:
    ticket = await floor.open()
    await take_next(floor, lin)

    await floor.do(staff.disable, "lin")

    assert await take_next(floor, ming) == ticket.id
    with pytest.raises(UnknownAgent):
        await take_next(floor, lin)


async def test_only_a_lead_sends_others_away(floor: Floor, lin: int, ming: int, chen: int) -> None:
    with pytest.raises(NotAllowed):
        await floor.do(floor.desk.set_away, lin, ming)

    await floor.do(floor.desk.set_away, lin, chen)

    assert (await floor.one(Agent, id=lin)).is_away
    with pytest.raises(NotAllowed):
        await floor.do(floor.desk.set_back, lin, ming)


async def test_going_and_coming_are_audited_once(floor: Floor, lin: int) -> None:
    from audit.tables import AuditRow

    for _ in range(2):
        await floor.do(floor.desk.set_away, lin, lin)
    await floor.do(floor.desk.set_back, lin, lin)
    await floor.do(staff.set_skills, "lin", ["codes"])
    await floor.do(staff.set_capacity, "lin", 3)

    rows = await floor.all(AuditRow, subject=f"agent:{lin}")
    assert [row.action.removeprefix("agent.") for row in rows] == [
        "went_away",
        "came_back",
        "skills_set",
        "capacity_set",
    ]
    assert rows[2].after == {"skills": ["codes"]}


async def holders(floor: Floor, tickets: list[Ticket]) -> list[int | None]:
    return [(await floor.fresh(ticket)).assignee_id for ticket in tickets]


async def test_where_agents_pull_nothing_is_given(floor: Floor, lin: int) -> None:
    ticket = await floor.open(level=HUMAN)

    assert await floor.do(floor.desk.deal, 9) == []
    assert await holders(floor, [ticket]) == [None]


async def test_round_robin_gives_to_whoever_was_given_nothing_for_longest(
    floor: Floor, lin: int, ming: int, chen: int, wang: int
) -> None:
    run_by(floor, assignment=Assignment.ROUND_ROBIN)

    tickets = [await floor.open(level=HUMAN, at=floor.now + number * MINUTE) for number in range(4)]

    assert await holders(floor, tickets) == [lin, ming, chen, lin]
    assert (await floor.actions(tickets[0]))[-1] == "ticket.assigned"
    told = await floor.all(Notice, ticket_id=tickets[1].id, agent_id=ming)
    assert any("notice.assigned" in notice.text for notice in told)


async def test_least_loaded_gives_by_the_share_of_what_each_can_hold(floor: Floor, lin: int, ming: int) -> None:
    run_by(floor, assignment=Assignment.LEAST_LOADED, capacity=2)
    await floor.do(staff.set_capacity, "ming", 4)

    tickets = [await floor.open(level=HUMAN, at=floor.now + number * MINUTE) for number in range(7)]

    assert await holders(floor, tickets) == [lin, ming, ming, lin, ming, ming, None]


async def test_the_bots_own_lane_is_given_to_nobody(floor: Floor, lin: int) -> None:
    run_by(floor, assignment=Assignment.ROUND_ROBIN)
    ticket = await floor.open()

    assert await floor.do(floor.desk.deal, 9) == []
    assert await holders(floor, [ticket]) == [None]


async def test_leads_and_managers_are_given_what_rose_to_them(floor: Floor, lin: int, chen: int, wang: int) -> None:
    run_by(floor, assignment=Assignment.LEAST_LOADED)

    tickets = [await floor.open(level=level) for level in (Level.MANAGER, Level.LEAD)]

    assert await holders(floor, tickets) == [wang, chen]


async def test_room_that_comes_free_is_filled_in_the_queues_order(floor: Floor, lin: int) -> None:
    run_by(floor, assignment=Assignment.ROUND_ROBIN, capacity=1)
    tickets = [await floor.open(level=HUMAN, at=floor.now + number * MINUTE) for number in range(3)]
    await floor.do(floor.desk.resolve, tickets[0].id, lin, Outcome.INSTRUCT)

    given = await floor.do(floor.desk.deal, 9)

    assert [ticket.id for ticket in given] == [tickets[1].id]
    assert await holders(floor, tickets) == [lin, lin, None]


async def test_what_is_given_back_goes_to_somebody_else_at_once(floor: Floor, lin: int, ming: int) -> None:
    run_by(floor, assignment=Assignment.ROUND_ROBIN)
    ticket = await floor.open(level=HUMAN)

    await floor.do(floor.desk.set_away, lin, lin, give_back=True)

    assert await holders(floor, [ticket]) == [ming]


async def test_many_givers_at_once_give_each_ticket_once_and_nobody_too_much(floor: Floor) -> None:
    agents = [await floor.hire(f"agent-{number}") for number in range(4)]
    tickets = [await floor.open(level=HUMAN) for _ in range(20)]
    run_by(floor, assignment=Assignment.ROUND_ROBIN, capacity=4)

    given = await asyncio.gather(*(floor.do(floor.desk.deal, 20) for _ in range(4)))
    given += [await floor.do(floor.desk.deal, 20)]  # what the others passed over

    ids = [ticket.id for part in given for ticket in part]
    assert sorted(ids) == [ticket.id for ticket in tickets[:16]]
    held = await holders(floor, tickets)
    assert [held.count(agent) for agent in agents] == [4, 4, 4, 4]


async def test_tickets_of_a_queue_that_is_no_more_are_brought_to_where_they_stand_now(floor: Floor, lin: int) -> None:
    run_by(floor, queues=QUESTIONS)
    tickets = [await floor.open() for _ in range(2)]
    run_by(floor)

    moved = [await floor.do(floor.desk.reroute) for _ in range(2)]

    assert moved == [2, 0]
    assert await take_next(floor, lin) == tickets[0].id


async def test_tickets_of_an_account_that_is_given_a_queue_are_brought_there_and_no_others(floor: Floor) -> None:
    bot = await floor.do(conversations.find_or_create, "telegram", "7", "42", "Chen", "zh")
    await floor.open(level=HUMAN)
    await floor.open(bot, level=HUMAN)
    run_by(floor, accounts={"telegram:7": "games"})

    moved = await floor.do(floor.desk.reroute)
    await floor.open(bot, level=HUMAN)

    assert moved == 1
    assert [ticket.queue for ticket in await floor.all(Ticket)] == ["general", "games", "games"]


async def expected(floor: Floor, ticket: Ticket, at: timedelta) -> timedelta | None:
    async with floor.database.reading() as session:
        fresh = await session.get_one(Ticket, ticket.id)
        ahead = await floor.desk.position(session, floor.now + at, fresh) - 1
        found = await floor.desk.expected_at(session, floor.now + at, fresh, ahead)
    return None if found is None else found - floor.now - at


async def test_the_estimate_comes_from_who_was_taken_lately(floor: Floor, lin: int) -> None:
    tickets = [await floor.open(level=HUMAN, at=floor.now + number * MINUTE / 10) for number in range(9)]
    for number in range(5):
        assert await expected(floor, tickets[8], 30 * MINUTE) is None
        await take_next(floor, lin, number * 6 * MINUTE)

    # Four gaps in thirty minutes up to now, and three before it.
    assert await expected(floor, tickets[8], 30 * MINUTE) == 30 * MINUTE
    assert await expected(floor, tickets[5], 30 * MINUTE) == 7.5 * MINUTE
    assert await expected(floor, tickets[8], 26 * HOUR) is None


async def test_a_direct_reply_counts_as_a_service_and_what_ranks_higher_does_not(floor: Floor, lin: int) -> None:
    waiting = await floor.open()
    for number in range(5):
        ticket = await floor.open(level=HUMAN if number == 0 else Level.BOT_LANE)
        await floor.do(floor.desk.reply, ticket.id, lin, "您好", at=floor.now + number * MINUTE)

    assert await expected(floor, waiting, 10 * MINUTE) is None
    one_more = await floor.open()
    await floor.do(floor.desk.reply, one_more.id, lin, "您好", at=floor.now + 5 * MINUTE)
    assert await expected(floor, waiting, 9 * MINUTE) == 2 * MINUTE


async def test_hurrying_moves_nothing_in_the_queue(floor: Floor, lin: int) -> None:
    first, second = await floor.open(), await floor.open(at=floor.now + MINUTE)

    await floor.do(floor.desk.hurry, second, at=floor.now + HOUR)

    assert (await floor.fresh(second)).rank_at == second.rank_at
    assert len(await floor.all(Ticket)) == 2
    assert [await take_next(floor, lin) for _ in range(2)] == [first.id, second.id]


async def test_an_active_account_of_any_role_pulls_the_general_queue(floor: Floor) -> None:
    for role in Role:
        agent = await floor.hire(role.value, role)
        ticket = await floor.open()
        assert await take_next(floor, agent) == ticket.id
        assert (await floor.fresh(ticket)).phase == Phase.OPEN
