"""What has risen to the leads or managers is theirs to choose, give away and end, while one of them is there."""

import pytest

from tests.tickets.conftest import Floor
from tickets import rights
from tickets.errors import InvalidTransition, RisenAbove
from tickets.tables import Agent, Level, Outcome, Role, Ticket

ENDING = ("mark_spam", "merge")
CHOOSING = ("take", "resolve", "close", "assign", *ENDING)


async def act(floor: Floor, verb: str, ticket: Ticket, agent: int) -> None:
    more: tuple[object, ...] = ()
    if verb == "resolve":
        more = (Outcome.INSTRUCT,)
    if verb == "close":
        await floor.do(floor.desk.reply, ticket.id, agent, "您好")
        await floor.deliver()
    if verb == "merge":
        target = await floor.open(await floor.meet())
        await floor.do(floor.desk.merge, ticket.id, target.id, agent)
    else:
        await floor.do(getattr(floor.desk, verb), ticket.id, agent, *((agent,) if verb == "assign" else more))


@pytest.mark.parametrize("verb", [verb for verb in CHOOSING if verb != "assign"])
@pytest.mark.parametrize(
    ("role", "level", "may"),
    [
        (Role.AGENT, Level.HUMAN_QUEUE, True),
        (Role.AGENT, Level.LEAD, False),
        (Role.LEAD, Level.LEAD, True),
        (Role.LEAD, Level.MANAGER, False),
        (Role.MANAGER, Level.MANAGER, True),
        (Role.ADMIN, Level.MANAGER, True),
    ],
)
async def test_a_free_ticket_is_chosen_and_ended_by_whom_it_has_risen_to(
    floor: Floor, wang: int, verb: str, role: Role, level: Level, may: bool
) -> None:
    agent = await floor.hire("somebody", role)
    ticket = await floor.open(level=level)

    if may:
        await act(floor, verb, ticket, agent)
    else:
        with pytest.raises(RisenAbove):
            await act(floor, verb, ticket, agent)
        assert (await floor.fresh(ticket)).assignee_id is None


@pytest.mark.parametrize("verb", ENDING)
async def test_who_pulled_a_risen_ticket_in_turn_may_not_do_away_with_it(
    floor: Floor, lin: int, chen: int, verb: str
) -> None:
    ticket = await floor.open(level=Level.LEAD)
    await floor.do(floor.desk.take_next, lin)

    with pytest.raises(RisenAbove):
        await act(floor, verb, ticket, lin)

    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)  # with a word to its buyer


async def test_a_lead_does_not_take_a_ticket_out_of_a_managers_hands(floor: Floor, chen: int, wang: int) -> None:
    ticket = await floor.open(level=Level.MANAGER)
    await floor.do(floor.desk.take, ticket.id, wang)

    with pytest.raises(RisenAbove):
        await floor.do(floor.desk.assign, ticket.id, chen, chen)


async def test_anybody_answers_notes_and_reads_but_the_ticket_stays_where_it_has_risen_to(
    floor: Floor, lin: int, wang: int
) -> None:
    ticket = await floor.open(level=Level.MANAGER)

    await floor.do(floor.desk.note, ticket.id, lin, "看过了")
    await floor.do(floor.desk.reply, ticket.id, lin, "经理马上来")

    assert (await floor.fresh(ticket)).assignee_id is None


@pytest.mark.parametrize("role", list(Role))
async def test_who_is_alone_may_do_everything(floor: Floor, role: Role) -> None:
    owner = await floor.hire("owner", role)
    for verb in CHOOSING:
        ticket = await floor.open(level=Level.MANAGER)
        if verb == "assign":
            await act(floor, "take", ticket, owner)
        await act(floor, verb, ticket, owner)


async def test_while_no_manager_is_there_the_lead_decides_and_no_agent(
    floor: Floor, lin: int, chen: int, wang: int
) -> None:
    ticket = await floor.open(level=Level.MANAGER)
    await floor.do(floor.desk.set_away, wang, wang)

    with pytest.raises(RisenAbove):
        await floor.do(floor.desk.take, ticket.id, lin)
    await floor.do(floor.desk.take, ticket.id, chen)


async def test_without_the_reach_an_agent_takes_the_managers_ticket(
    floor: Floor, lin: int, wang: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reach(_session: object, _agent: Agent) -> Level:
        return max(Level)

    monkeypatch.setattr(rights, "reach", reach)
    ticket = await floor.open(level=Level.MANAGER)

    await floor.do(floor.desk.take, ticket.id, lin)


@pytest.mark.parametrize("verb", ["release", "assign"])
@pytest.mark.parametrize("end", ["resolve", "mark_spam"])
async def test_a_ticket_that_has_ended_is_in_nobodys_hands(floor: Floor, chen: int, verb: str, end: str) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, chen)
    await act(floor, end, ticket, chen)

    with pytest.raises(InvalidTransition):
        await floor.do(getattr(floor.desk, verb), ticket.id, chen, *((chen,) if verb == "assign" else ()))
