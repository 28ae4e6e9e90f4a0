"""The verbs on a ticket."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from kadesk.database import Database
from tests.tickets.conftest import Floor
from tickets.buyers import Became
from tickets.desk import Desk, DeskRules
from tickets.errors import (
    AlreadyTaken,
    CodeInText,
    EmptyMessage,
    HeldByColleague,
    InvalidTransition,
    MessageTooLong,
    NotAllowed,
    StaleTicket,
    TooSoon,
    UnknownAgent,
    UnknownTicket,
)
from tickets.tables import (
    Clock,
    Conversation,
    Cycle,
    Escalation,
    Level,
    Message,
    Notice,
    OrderBinding,
    Outcome,
    Outgoing,
    Phase,
    Ticket,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


# Opening


async def test_a_ticket_opens_with_a_number_a_cycle_and_a_running_clock(floor: Floor) -> None:
    ticket = await floor.open(subject="  卡密无效  ", order_ref="demo/AB12")

    assert (ticket.number, ticket.subject, ticket.phase, ticket.level) == ("K-000001", "卡密无效", "open", 0)
    assert ticket.waiting_since == floor.now
    assert (await floor.one(Cycle)).ordinal == 1
    clock = await floor.one(Clock)
    assert (clock.metric, clock.started_at, clock.due_at) == ("handling", floor.now, floor.now + 24 * HOUR)
    opened = await floor.one(AuditRow, action="ticket.opened")
    assert opened.after is not None
    assert opened.after["order"] == "demo/AB12"
    assert await floor.queued() == []  # the dialogue has the words


async def test_a_long_subject_is_cut(floor: Floor) -> None:
    assert len((await floor.open(subject="长" * 500)).subject) == 120


async def test_tickets_opened_at_once_have_numbers_of_their_own(floor: Floor) -> None:
    conversation = await floor.meet()

    tickets = await asyncio.gather(*(floor.open(conversation) for _ in range(8)))

    assert len({ticket.number for ticket in tickets}) == 8


async def test_a_ticket_for_people_tells_staff_at_once(floor: Floor, lin: int, chen: int, wang: int) -> None:
    ticket = await floor.open(level=Level.HUMAN_QUEUE, trigger="pool_empty")

    escalation = await floor.one(Escalation)
    assert (escalation.level, escalation.trigger, escalation.told) == (
        1,
        "pool_empty",
        [f"agent:{lin}", f"agent:{chen}"],
    )
    assert (escalation.due_at, escalation.escalated_at) == (floor.now, floor.now)
    notice = (await floor.all(Notice))[0]
    assert notice.text == f"zh:notice.escalated number={ticket.number} subject=卡密无效 why=zh:trigger.pool_empty"


# The buyer speaks


async def test_more_words_do_not_move_the_wait(floor: Floor) -> None:
    ticket = await floor.open()

    assert (await floor.speak(ticket, at=floor.now + HOUR)).became == Became.HEARD

    assert (await floor.fresh(ticket)).waiting_since == floor.now
    assert (await floor.one(Message)).ticket_id == ticket.id


async def test_an_answered_ticket_that_hears_the_buyer_is_open_and_waits_from_then(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图")

    await floor.speak(ticket, at=floor.now + 5 * HOUR)

    ticket = await floor.fresh(ticket)
    assert (ticket.phase, ticket.waiting_since) == (Phase.OPEN, floor.now + 5 * HOUR)
    assert ticket.assignee_id == lin
    assert [clock.due_at - floor.now for clock in await floor.all(Clock)] == [24 * HOUR, 29 * HOUR]


async def test_a_resolved_ticket_that_hears_the_buyer_starts_a_new_cycle(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT, at=floor.now + HOUR)
    await floor.deliver(at=floor.now + HOUR)

    assert (await floor.speak(ticket, "还是不行", at=floor.now + 50 * HOUR)).became == Became.REOPENED

    ticket = await floor.fresh(ticket)
    assert (ticket.phase, ticket.assignee_id) == (Phase.OPEN, None)
    first, second = await floor.all(Cycle)
    assert (first.outcome, first.resolved_at, second.ordinal, second.resolved_at) == (
        "instruct",
        floor.now + HOUR,
        2,
        None,
    )
    old, new = await floor.all(Clock)
    assert old.met_at == floor.now + HOUR
    assert (new.met_at, new.due_at) == (None, floor.now + 74 * HOUR)
    assert [notice.text.split()[0] for notice in await floor.all(Notice)] == ["zh:notice.reopened"]


# Asking for a person


async def test_asking_for_a_person_opens_a_ticket_in_the_human_queue(floor: Floor, lin: int) -> None:
    ticket = await floor.do(floor.desk.hand_over, await floor.meet(), "转人工")

    assert ticket.level == Level.HUMAN_QUEUE
    assert (await floor.one(Escalation)).trigger == "asked"
    assert len(await floor.all(Notice, agent_id=lin)) == 1


async def test_asking_again_changes_nothing(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    first = await floor.do(floor.desk.hand_over, conversation, "转人工")
    second = await floor.do(floor.desk.hand_over, conversation, "人工！", at=floor.now + HOUR)

    assert second.id == first.id
    assert len(await floor.all(Escalation)) == len(await floor.all(Notice)) == 1
    assert (await floor.fresh(first)).waiting_since == floor.now


async def test_eight_presses_at_once_make_one_ticket(floor: Floor) -> None:
    conversation = await floor.meet()

    tickets = await asyncio.gather(*(floor.do(floor.desk.hand_over, conversation, "转人工") for _ in range(8)))

    assert len({ticket.id for ticket in tickets}) == 1
    assert len(await floor.all(Escalation)) == 1


async def test_asking_raises_the_ticket_that_is_open_and_keeps_its_clock_and_agent(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    ticket = await floor.open(conversation)
    await floor.do(floor.desk.reply, ticket.id, lin, "请稍等")

    raised = await floor.do(floor.desk.hand_over, conversation, "转人工", at=floor.now + HOUR)

    assert raised.id == ticket.id
    assert (raised.level, raised.phase, raised.assignee_id) == (Level.HUMAN_QUEUE, Phase.OPEN, lin)
    assert raised.waiting_since == floor.now + HOUR
    assert (await floor.all(Clock))[0].due_at == floor.now + 24 * HOUR


# Hurrying


async def test_hurrying_is_seen_and_resets_nothing(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    before, clock = await floor.fresh(ticket), await floor.one(Clock)

    assert await floor.do(floor.desk.hurry, ticket, at=floor.now + HOUR) == 1

    after = await floor.fresh(ticket)
    assert (after.hurries, after.hurried_at) == (1, floor.now + HOUR)
    assert (after.waiting_since, after.rank_at, after.level) == (before.waiting_since, before.rank_at, before.level)
    assert await floor.one(Clock) == clock
    assert (await floor.one(Notice)).text.startswith("zh:notice.hurried")


async def test_hurrying_again_waits_its_time(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.hurry, ticket)

    with pytest.raises(TooSoon):
        await floor.do(floor.desk.hurry, ticket, at=floor.now + 29 * MINUTE)

    assert await floor.do(floor.desk.hurry, ticket, at=floor.now + 30 * MINUTE) == 2
    assert len(await floor.all(Notice)) == 2


async def test_hurrying_a_taken_ticket_tells_its_agent_alone(floor: Floor, lin: int, ming: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, ming)

    await floor.do(floor.desk.hurry, ticket)

    assert (await floor.one(Notice)).agent_id == ming


async def test_what_is_resolved_cannot_be_hurried(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.REJECT)

    with pytest.raises(InvalidTransition, match="it cannot be hurried"):
        await floor.do(floor.desk.hurry, ticket)


# Taking


async def race(floor: Floor, ticket: Ticket, agents: list[int]) -> list[int]:
    """All agents take the ticket at once; who won."""
    tries = (floor.do(floor.desk.take, ticket.id, agent) for agent in agents)
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(end, Ticket | AlreadyTaken) for end in ends)
    return [agent for agent, end in zip(agents, ends, strict=True) if isinstance(end, Ticket)]


async def test_of_sixteen_takers_one_wins(floor: Floor) -> None:
    agents = [await floor.hire(f"agent-{number}") for number in range(16)]
    ticket = await floor.open()

    winners = await race(floor, ticket, agents)

    assert winners == [(await floor.fresh(ticket)).assignee_id]
    assert (await floor.actions(ticket)).count("ticket.taken") == 1


async def test_without_its_guard_all_sixteen_win(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    agents = [await floor.hire(f"agent-{number}") for number in range(16)]
    ticket = await floor.open()
    monkeypatch.setattr("tickets.desk.is_free", lambda: ())

    assert len(await race(floor, ticket, agents)) == 16


async def test_taking_is_not_handling_and_keeps_the_wait(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    taken = await floor.do(floor.desk.take, ticket.id, lin, at=floor.now + HOUR)

    assert (taken.assignee_id, taken.phase, taken.waiting_since) == (lin, Phase.OPEN, floor.now)
    assert (await floor.one(Clock)).met_at is None


async def test_taking_twice_is_one_take_and_the_second_agent_learns_who_was_first(
    floor: Floor, lin: int, ming: int
) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, lin)
    await floor.do(floor.desk.take, ticket.id, lin)

    with pytest.raises(AlreadyTaken, match="K-000001 was taken by Lin"):
        await floor.do(floor.desk.take, ticket.id, ming)

    assert (await floor.actions(ticket)).count("ticket.taken") == 1


async def test_a_resolved_ticket_is_not_taken(floor: Floor, lin: int, ming: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)

    with pytest.raises(InvalidTransition, match="it cannot be taken"):
        await floor.do(floor.desk.take, ticket.id, ming)


async def test_a_page_that_shows_an_old_version_may_not_write(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.hurry, ticket)

    for verb, arguments in (
        (floor.desk.take, ()),
        (floor.desk.reply, ("您好",)),
        (floor.desk.resolve, (Outcome.INSTRUCT,)),
    ):
        with pytest.raises(StaleTicket):
            await floor.do(verb, ticket.id, lin, *arguments, version=ticket.version)

    assert await floor.queued() == []


async def test_a_released_ticket_stands_where_it_stood(floor: Floor, lin: int) -> None:
    first, second = await floor.open(), await floor.open(at=floor.now + MINUTE)
    await floor.do(floor.desk.take, first.id, lin)

    await floor.do(floor.desk.release, first.id, lin, at=floor.now + HOUR)

    async with floor.database.reading() as session:
        queue = await floor.desk.queue(session, floor.now + HOUR)
    assert [row.ticket.id for row in queue] == [first.id, second.id]


# The three people of a permission: the holder, another agent, a lead


@pytest.mark.parametrize("verb", ["release", "assign"])
async def test_only_its_holder_or_a_lead_gives_a_ticket_away(
    floor: Floor, lin: int, ming: int, chen: int, verb: str
) -> None:
    arguments = (ming,) if verb == "assign" else ()
    for agent in (lin, chen):
        ticket = await floor.open()
        await floor.do(floor.desk.take, ticket.id, lin)

        await floor.do(getattr(floor.desk, verb), ticket.id, agent, *arguments)

        assert (await floor.fresh(ticket)).assignee_id == (ming if verb == "assign" else None)

    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, lin)
    with pytest.raises(NotAllowed, match=f"The role agent may not {verb} this ticket"):
        await floor.do(getattr(floor.desk, verb), ticket.id, ming, *arguments)


async def test_whoever_gets_a_ticket_is_told(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.assign, ticket.id, chen, lin)

    notice = await floor.one(Notice)
    assert (notice.agent_id, notice.text) == (lin, f"zh:notice.assigned number={ticket.number} subject=卡密无效")


async def test_a_switched_off_account_works_no_ticket(floor: Floor) -> None:
    gone = await floor.hire("gone", is_active=False)
    ticket = await floor.open()

    for verb, arguments in (
        (floor.desk.take, ()),
        (floor.desk.release, ()),
        (floor.desk.reply, ("您好",)),
        (floor.desk.note, ("记一下",)),
        (floor.desk.resolve, (Outcome.REJECT,)),
    ):
        with pytest.raises(UnknownAgent):
            await floor.do(verb, ticket.id, gone, *arguments)


# Answering


async def test_a_reply_is_queued_first_and_the_ticket_waits_on_the_buyer(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    message = await floor.do(floor.desk.reply, ticket.id, lin, "  您好  ")

    ticket = await floor.fresh(ticket)
    assert (ticket.phase, ticket.waiting_since, ticket.rank_at, ticket.assignee_id) == (Phase.WAITING, None, None, lin)
    assert (message.text, message.author, message.agent_id) == ("您好", "agent", lin)
    outgoing = await floor.one(Outgoing)
    assert (outgoing.priority, outgoing.handles) == (0, True)


async def test_helping_out_does_not_take_the_ticket_away(floor: Floor, lin: int, ming: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, lin)

    await floor.do(floor.desk.reply, ticket.id, ming, "您好")

    assert (await floor.fresh(ticket)).assignee_id == lin


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("", EmptyMessage, id="nothing"),
        pytest.param(" \n\t ", EmptyMessage, id="only space"),
        pytest.param("长" * 4_001, MessageTooLong, id="too long"),
    ],
)
async def test_bad_text_is_refused_and_changes_nothing(
    floor: Floor, lin: int, text: str, error: type[Exception]
) -> None:
    ticket = await floor.open()

    for verb, arguments in (
        (floor.desk.reply, ()),
        (floor.desk.note, ()),
        (floor.desk.resolve, (Outcome.REJECT,)),
    ):
        with pytest.raises(error):
            await floor.do(verb, ticket.id, lin, *arguments, text)

    assert await floor.fresh(ticket) == ticket
    assert await floor.all(Message) == []


# Codes in the words of staff

SECRET = "7K2Q9-XPLM4-TRWE3"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"新卡密 {SECRET}，请查收", id="a code"),
        pytest.param("7K2Q9\u200bXPLM4\u200bTRWE3", id="with the invisible between"),
        pytest.param("卡号 123456789012 密码 87654321", id="card and password"),
        pytest.param("https://help.example/r/Zm9vYmFyYmF6cXV4cXV1eA", id="a reveal link"),
    ],
)
@pytest.mark.parametrize("verb", ["reply", "note", "resolve"])
async def test_a_code_in_the_words_of_staff_is_refused_and_kept_nowhere(
    floor: Floor, lin: int, verb: str, text: str
) -> None:
    ticket = await floor.open()
    arguments = (Outcome.INSTRUCT,) if verb == "resolve" else ()

    with pytest.raises(CodeInText, match=r"looks like a code \(\*\*\*\*"):
        await floor.do(getattr(floor.desk, verb), ticket.id, lin, *arguments, text)

    assert await floor.all(Message) == []
    assert await floor.all(Outgoing) == []
    assert await floor.fresh(ticket) == ticket
    assert await floor.actions(ticket) == ["ticket.opened"]


async def test_without_the_guard_a_code_goes_out(floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin."""
    ticket = await floor.open()

    async def read_nothing(session: AsyncSession, ticket: Ticket, text: str) -> None:
        return None

    monkeypatch.setattr("tickets.texts.refuse_codes", read_nothing)
    await floor.do(floor.desk.reply, ticket.id, lin, SECRET)

    assert await floor.queued() == [SECRET]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("您的卡密 ****-RWE3 已经兑换过", id="a masked code"),
        pytest.param("订单 AB12CD34EF56GH78 和 ab12 cd34 ef56 gh78 已处理", id="the ticket's order"),
        pytest.param("订单 ZZ98YX76WV54UT32 也收到了", id="an order that the buyer has proved"),
        pytest.param("请拨 400-123-4567，工单 K-000001，错误 0xC004C003", id="numbers of other kinds"),
        pytest.param("您好\u200b，\ufeff请稍等", id="the invisible in plain words"),
        pytest.param("Sorry for the misunderstanding!", id="a long word"),
    ],
)
async def test_plain_words_and_the_buyers_order_numbers_go_out_as_they_are(floor: Floor, lin: int, text: str) -> None:
    conversation = await floor.meet()
    bound = OrderBinding(
        identity_id=conversation.identity_id,
        shop="demo",
        order_no="ZZ98YX76WV54UT32",
        way="query_password",
        proved_at=floor.now,
    )
    async with floor.database.writing() as session:
        session.add(bound)
    ticket = await floor.open(conversation, order_ref="demo/AB12CD34EF56GH78")

    await floor.do(floor.desk.reply, ticket.id, lin, text)

    assert await floor.queued() == [text]


async def test_a_note_stays_inside(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    note = await floor.do(floor.desk.note, ticket.id, lin, "等供应商")

    assert note.is_note
    assert await floor.queued() == []
    assert (await floor.fresh(ticket)).phase == Phase.OPEN
    assert (await floor.actions(ticket))[-1] == "ticket.noted"


async def test_a_resolved_ticket_tells_the_buyer_and_is_handled_by_that(floor: Floor, lin: int) -> None:
    ticket = await floor.open(await floor.meet(language="en"))

    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.REJECT, "The code works.", at=floor.now + HOUR)
    sent = await floor.deliver(at=floor.now + 2 * HOUR)

    assert sent == [f"The code works.\n\nen:ticket.resolved number={ticket.number} outcome=reject"]
    cycle = await floor.one(Cycle)
    assert (cycle.outcome, cycle.resolved_at) == ("reject", floor.now + HOUR)
    assert (await floor.one(Clock)).met_at == floor.now + 2 * HOUR


async def test_resolving_without_a_text_still_says_so(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)

    assert await floor.queued() == [f"zh:ticket.resolved number={ticket.number} outcome=instruct"]


async def test_a_ticket_is_resolved_once(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)

    for verb, arguments in ((floor.desk.resolve, (Outcome.REJECT,)), (floor.desk.reply, ("您好",))):
        with pytest.raises(InvalidTransition):
            await floor.do(verb, ticket.id, lin, *arguments)

    assert len(await floor.queued()) == 1


async def test_only_its_holder_or_a_lead_resolves_a_ticket(floor: Floor, lin: int, ming: int, chen: int) -> None:
    for agent in (lin, chen):
        ticket = await floor.open()
        await floor.do(floor.desk.take, ticket.id, lin)
        with pytest.raises(HeldByColleague, match="in the hands of Lin; they or a lead"):
            await floor.do(floor.desk.resolve, ticket.id, ming, Outcome.INSTRUCT)

        await floor.do(floor.desk.resolve, ticket.id, agent, Outcome.INSTRUCT)

        assert (await floor.fresh(ticket)).assignee_id == lin


async def test_a_free_ticket_becomes_theirs_who_resolves_it(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)

    assert (await floor.fresh(ticket)).assignee_id == lin


async def test_without_the_guard_anybody_resolves_it(
    floor: Floor, lin: int, ming: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin."""
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, lin)

    async def pass_by(session: AsyncSession, ticket: Ticket, agent_id: int) -> None:
        return None

    monkeypatch.setattr("tickets.desk.require_hands", pass_by)

    await floor.do(floor.desk.resolve, ticket.id, ming, Outcome.INSTRUCT)


async def test_unknown_tickets_are_refused_by_name(floor: Floor, lin: int) -> None:
    for verb, arguments in ((floor.desk.take, ()), (floor.desk.release, ()), (floor.desk.note, ("记一下",))):
        with pytest.raises(UnknownTicket, match="There is no ticket 404"):
            await floor.do(verb, 404, lin, *arguments)


# A verb is one transaction


async def test_a_verb_that_fails_half_way_leaves_nothing(database: Database, floor: Floor, lin: int) -> None:
    def speechless(language: str, key: str, /, **facts: Any) -> str:
        raise LookupError(key)

    ticket = await floor.open()
    floor.desk = Desk(speechless, DeskRules())

    with pytest.raises(LookupError):
        await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.REJECT)

    assert await floor.fresh(ticket) == ticket
    assert await floor.actions(ticket) == ["ticket.opened"]


async def test_every_verb_counts_a_version_and_writes_its_audit_row(floor: Floor, lin: int, chen: int) -> None:
    conversation: Conversation = await floor.meet()
    ticket = await floor.open(conversation)
    desk, number = floor.desk, ticket.id
    for verb, arguments in (
        (desk.take, (number, lin)),
        (desk.release, (number, lin)),
        (desk.assign, (number, chen, lin)),
        (desk.reply, (number, lin, "您好")),
        (desk.hand_over, (conversation, "转人工")),
        (desk.hurry, (ticket,)),
        (desk.resolve, (number, lin, Outcome.INSTRUCT)),
    ):
        await floor.do(verb, *arguments)

    assert await floor.actions(ticket) == [
        "ticket.opened",
        "ticket.taken",
        "ticket.released",
        "ticket.assigned",
        "ticket.replied",
        "ticket.escalated",
        "ticket.heard",
        "ticket.hurried",
        "ticket.resolved",
    ]
    assert (await floor.fresh(ticket)).version == ticket.version + 8
    rows = await floor.all(AuditRow, subject=f"ticket:{number}")
    assert (rows[1].actor, rows[1].before, rows[1].after) == (f"agent:{lin}", {"assignee": None}, {"assignee": lin})
