"""Which ticket a buyer's word belongs to, and what it does there."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from tests.tickets.conftest import Floor, say
from tickets import meant
from tickets.buyers import Became
from tickets.changes import lock_ticket
from tickets.desk import Desk, DeskRules
from tickets.tables import Clock, Conversation, Cycle, Level, LinkKind, Message, Outcome, Phase, Ticket, TicketLink

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOW = 7 * DAY


@pytest.fixture
def desk() -> Desk:
    return Desk(say, DeskRules(reopen_within=WINDOW))


async def settle(floor: Floor, ticket: Ticket, agent: int, after: timedelta = timedelta()) -> None:
    await floor.do(floor.desk.resolve, ticket.id, agent, Outcome.INSTRUCT, at=floor.now + after)
    await floor.deliver(at=floor.now + after)


async def spoken_of(floor: Floor, *tickets: Ticket) -> list[int]:
    """The numbers of the tickets that words may be about: 1 for the first of `tickets`."""
    async with floor.database.reading() as session:
        conversation = await floor.meet()
        found = await meant.spoken_of(session, conversation)
    places = {ticket.id: number for number, ticket in enumerate(tickets, start=1)}
    return [places[ticket.id] for ticket in found]


# Coming back


@pytest.mark.parametrize(
    ("after", "became"),
    [
        pytest.param(WINDOW, Became.REOPENED, id="in the last instant of the window"),
        pytest.param(WINDOW + timedelta.resolution, Became.FOLLOWED, id="just after it"),
    ],
)
async def test_the_window_ends_with_its_instant_whether_a_job_ran_or_not(
    floor: Floor, lin: int, after: timedelta, became: Became
) -> None:
    ticket = await floor.open(order_ref="demo/A1")
    await settle(floor, ticket, lin)

    heard = await floor.speak(ticket, "还是不行", at=floor.now + after)

    assert heard.became == became
    assert (heard.ticket.id == ticket.id) == (became == Became.REOPENED)
    assert (await floor.one(Message, text="还是不行")).ticket_id == heard.ticket.id


async def test_a_new_ticket_goes_on_with_what_has_ended(floor: Floor, lin: int) -> None:
    old = await floor.open(order_ref="demo/A1", product="S-1")
    await settle(floor, old, lin)

    heard = await floor.speak(old, "还是不行", at=floor.now + 8 * DAY)

    new = await floor.fresh(heard.ticket)
    assert (new.category, new.subject, new.order_ref, new.product) == ("question", "卡密无效", "demo/A1", "S-1")
    assert (new.level, new.waiting_since) == (Level.HUMAN_QUEUE, floor.now + 8 * DAY)
    link = await floor.one(TicketLink)
    assert (link.ticket_id, link.other_id, link.kind) == (new.id, old.id, LinkKind.FOLLOWS)
    assert (await floor.one(Clock, ticket_id=new.id)).due_at == floor.now + 9 * DAY
    assert len(await floor.all(Cycle, ticket_id=old.id)) == 1


async def test_the_next_word_goes_to_the_ticket_that_follows(floor: Floor, lin: int) -> None:
    old = await floor.open()
    await settle(floor, old, lin)
    first = await floor.speak(old, "还是不行", at=floor.now + 8 * DAY)

    second = await floor.speak(old, "在吗", at=floor.now + 8 * DAY + HOUR)

    assert (second.ticket.id, second.became) == (first.ticket.id, Became.HEARD)
    assert len(await floor.all(Ticket)) == 2


async def test_how_often_a_ticket_came_back_is_known(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    for day in range(3):
        await settle(floor, ticket, lin, day * DAY)
        await floor.speak(ticket, at=floor.now + day * DAY + HOUR)

    assert [cycle.ordinal for cycle in await floor.all(Cycle)] == [1, 2, 3, 4]
    assert [row.action for row in await floor.all(AuditRow)].count("ticket.reopened") == 3


async def test_a_wish_for_a_person_after_an_end_names_what_ended(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    old = await floor.open(conversation)
    await settle(floor, old, lin)

    new = await floor.do(floor.desk.hand_over, conversation, "转人工", at=floor.now + HOUR)

    link = await floor.one(TicketLink)
    assert (link.ticket_id, link.other_id, link.kind) == (new.id, old.id, LinkKind.FOLLOWS)
    assert (await floor.fresh(old)).phase == Phase.RESOLVED


async def test_a_word_after_a_silent_end_finds_the_ticket_while_it_is_fresh(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    ticket = await floor.open(conversation)
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    await floor.deliver()
    await floor.do(floor.desk.close, ticket.id, lin)

    async with floor.database.reading() as session:
        fresh = await floor.desk.find_settled(session, floor.now + DAY, conversation)
        old = await floor.desk.find_settled(session, floor.now + 8 * DAY, conversation)

    assert fresh is not None
    assert (fresh.id, old) == (ticket.id, None)
    assert (await floor.speak(fresh)).became == Became.FOLLOWED


# Several at once


async def test_words_belong_to_the_ticket_spoken_of_last(floor: Floor, lin: int) -> None:
    first, second, third = [await floor.open() for _ in range(3)]

    untouched = await spoken_of(floor, first, second, third)
    await floor.speak(second)
    of_buyer = await spoken_of(floor, first, second, third)
    await floor.do(floor.desk.reply, first.id, lin, "请发截图")
    of_agent = await spoken_of(floor, first, second, third)

    assert (untouched, of_buyer, of_agent) == ([3, 2, 1], [2, 3, 1], [1, 2, 3])


async def test_notes_and_words_of_the_desk_itself_turn_nothing(floor: Floor, lin: int) -> None:
    first, second = await floor.open(), await floor.open()
    await floor.speak(second)
    await floor.do(floor.desk.note, first.id, lin, "看过了")
    await floor.sweep(floor.now + DAY + HOUR)

    assert await spoken_of(floor, first, second) == [2, 1]


async def test_a_person_is_asked_for_on_the_ticket_spoken_of_last(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    first, _second = await floor.open(conversation), await floor.open(conversation)
    await floor.speak(first)

    raised = await floor.do(floor.desk.hand_over, conversation, "转人工")

    assert raised.id == first.id


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_who_asks_for_a_person_and_the_agent_who_writes_just_then_do_not_block_each_other(
    floor: Floor, lin: int
) -> None:
    ticket = await floor.open()
    is_held, is_asking = asyncio.Event(), asyncio.Event()

    async def ask() -> Ticket:
        async with floor.database.writing() as session:
            conversation = await session.get_one(Conversation, ticket.conversation_id)
            await is_held.wait()
            asking = asyncio.create_task(floor.desk.hand_over(session, floor.now, conversation, "人工"))
            await _until_blocked(floor)
            is_asking.set()
            return await asking

    async def write() -> None:
        async with floor.database.writing() as session:
            await lock_ticket(session, ticket.id)
            is_held.set()
            await is_asking.wait()
            await floor.desk.reply(session, floor.now, ticket.id or 0, lin, "在看了")

    asked, _ = await asyncio.gather(ask(), write())

    assert (asked.id, asked.phase) == (ticket.id, Phase.OPEN)


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_a_word_on_a_merged_ticket_does_not_block_who_holds_both(floor: Floor, lin: int) -> None:
    target, source = await floor.open(), await floor.open()
    await floor.do(floor.desk.merge, source.id, target.id, lin)

    async with floor.database.writing() as session:
        await lock_ticket(session, target.id)
        speaking = asyncio.create_task(floor.speak(source))
        await _until_blocked(floor)
        await lock_ticket(session, source.id)
    heard = await speaking

    assert heard.ticket.id == target.id


async def _until_blocked(floor: Floor) -> None:
    """Somebody waits for a lock."""
    async with floor.database.reading() as session:
        while not await _count_blocked(session):  # noqa: ASYNC110  # the database rings no bell for it
            await asyncio.sleep(0)


async def _count_blocked(session: AsyncSession) -> int:
    found = await (await session.connection()).exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return int(found.scalar_one())


async def test_settled_tickets_and_those_of_others_are_never_meant(floor: Floor, lin: int) -> None:
    settled, _foreign = await floor.open(), await floor.open(await floor.meet("stranger"))
    await settle(floor, settled, lin)

    assert await spoken_of(floor) == []


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        ("K-000001", True),
        ("请问 k-000001 好了吗", True),
        ("K000001 怎么样", True),
        ("K-0000012", False),
        ("AK-000001", False),
        ("K-000002", False),  # another buyer's
        ("000001", False),
    ],
)
async def test_a_ticket_is_found_by_the_number_that_stands_in_the_words(
    floor: Floor, words: str, is_found: bool
) -> None:
    mine, _other = await floor.open(), await floor.open(await floor.meet("stranger"))

    async with floor.database.reading() as session:
        found = await floor.desk.find_ticket(session, floor.now, mine.buyer_id, words)

    assert (found is not None) == is_found


def test_a_number_alone_asks_and_words_beside_it_tell() -> None:
    assert [meant.is_number(text) for text in (" K-000012 ", "K-000012 还没好", "12")] == [True, False, False]


async def test_the_window_is_the_desks_own(floor: Floor, lin: int) -> None:
    floor.desk = Desk(say, DeskRules(reopen_within=HOUR))
    ticket = await floor.open()
    await settle(floor, ticket, lin)

    assert (await floor.speak(ticket, at=floor.now + 2 * HOUR)).became == Became.FOLLOWED
