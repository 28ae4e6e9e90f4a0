"""What is to be sent, in which order, and what its delivery means."""

from datetime import timedelta

import pytest

from audit.tables import AuditRow
from tests.tickets.conftest import Floor
from tickets import outbox
from tickets.errors import NotLost
from tickets.tables import Clock, Message, Outgoing, Priority, Sending, Ticket

HOUR = timedelta(hours=1)


async def waiting(floor: Floor, after: timedelta = timedelta(), **options: int) -> list[str]:
    rows = await floor.do(outbox.waiting, "web", "main", at=floor.now + after, **options)
    return [(await floor.one(Message, id=row.message_id)).text for row in rows]


async def test_a_conversation_is_sent_in_order_one_at_a_time(floor: Floor) -> None:
    conversation = await floor.meet()
    await floor.post(conversation, "一")
    await floor.post(conversation, "二", priority=Priority.AGENT_REPLY)

    assert await waiting(floor) == ["一"]
    assert await floor.deliver() == ["一", "二"]


async def test_between_conversations_the_more_urgent_goes_first(floor: Floor) -> None:
    for address, priority in (("a", Priority.NOTICE), ("b", Priority.AGENT_REPLY), ("c", Priority.BOT_REPLY)):
        await floor.post(await floor.meet(address), address, priority=priority)

    assert await waiting(floor) == ["b", "c", "a"]
    assert await waiting(floor, limit=1) == ["b"]


async def test_a_notice_that_has_waited_goes_before_newer_answers_but_never_before_people(floor: Floor) -> None:
    for address, priority in (("old", Priority.NOTICE), ("new", Priority.BOT_REPLY), ("agent", Priority.AGENT_REPLY)):
        await floor.post(await floor.meet(address), address, priority=priority)

    assert await waiting(floor) == ["agent", "new", "old"]
    assert await waiting(floor, after=outbox.PATIENCE) == ["agent", "old", "new"]


async def test_each_account_sends_its_own(floor: Floor) -> None:
    await floor.post(await floor.meet(), "hello")

    assert await floor.do(outbox.waiting, "web", "another") == []
    assert await floor.do(outbox.waiting, "telegram", "main") == []


async def test_a_postponed_message_holds_its_conversation_and_no_other(floor: Floor) -> None:
    slow, quick = await floor.meet("slow"), await floor.meet("quick")
    for conversation, text in ((slow, "一"), (slow, "二"), (quick, "三")):
        await floor.post(conversation, text)
    (head, _, _) = await floor.all(Outgoing)

    await floor.do(outbox.postpone, head.id, floor.now + HOUR, "rate limited")

    assert await waiting(floor) == ["三"]
    assert await waiting(floor, after=HOUR) == ["一", "三"]
    head = await floor.one(Outgoing, id=head.id)
    assert (head.state, head.attempts, head.problem) == (Sending.QUEUED, 1, "rate limited")


async def test_a_row_leaves_the_queue_once(floor: Floor) -> None:
    await floor.post(await floor.meet(), "hello")
    row = await floor.one(Outgoing)

    assert await floor.do(outbox.mark_sent, row.id, "tg-1")
    assert not await floor.do(outbox.mark_sent, row.id, "tg-2", at=floor.now + HOUR)
    assert not await floor.do(outbox.mark_failed, row.id, Sending.FAILED, "late")
    assert not await floor.do(outbox.postpone, row.id, floor.now + HOUR, "late")

    row = await floor.one(Outgoing)
    assert (row.state, row.foreign_id, row.sent_at, row.attempts) == (Sending.SENT, "tg-1", floor.now, 1)


async def test_a_reply_handles_when_it_is_delivered_not_when_it_is_written(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.reply, ticket.id, lin, "马上为您处理", at=floor.now + HOUR)
    before = (await floor.one(Clock)).met_at
    await floor.deliver(at=floor.now + 3 * HOUR)

    assert before is None
    assert (await floor.one(Clock)).met_at == floor.now + 3 * HOUR
    assert (await floor.actions(ticket))[-1] == "ticket.handled"


async def test_only_the_first_delivery_handles(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    for text in ("一", "二"):
        await floor.do(floor.desk.reply, ticket.id, lin, text)
    for row, hours in zip(await floor.all(Outgoing), (1, 2), strict=True):
        await floor.do(outbox.mark_sent, row.id, "", at=floor.now + hours * HOUR)

    assert (await floor.one(Clock)).met_at == floor.now + HOUR
    assert (await floor.actions(ticket)).count("ticket.handled") == 1


@pytest.mark.parametrize("state", [Sending.FAILED, Sending.BLOCKED, Sending.UNKNOWN])
async def test_a_reply_that_may_not_have_arrived_handles_nothing(floor: Floor, lin: int, state: Sending) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "马上为您处理")

    row = await floor.one(Outgoing)
    await floor.do(outbox.mark_failed, row.id, state, "the buyer blocked the bot")

    assert (await floor.one(Clock)).met_at is None
    assert (await floor.one(Outgoing)).problem == "the buyer blocked the bot"


async def test_what_the_bot_says_about_a_ticket_handles_nothing(floor: Floor) -> None:
    conversation = await floor.meet()
    ticket: Ticket = await floor.open(conversation)

    await floor.post(conversation, "我们收到了", ticket=ticket)
    await floor.deliver()

    assert (await floor.one(Clock)).met_at is None


async def test_a_reply_to_the_last_cycle_does_not_handle_the_new_one(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, "instruct", at=floor.now + HOUR)
    await floor.speak(ticket, "还是不行", at=floor.now + 2 * HOUR)

    await floor.deliver(at=floor.now + 3 * HOUR)

    first, second = await floor.all(Clock)
    assert first.met_at == floor.now + 3 * HOUR
    assert second.met_at is None


@pytest.mark.parametrize("state", outbox.LOST)
async def test_what_was_lost_is_sent_again_by_a_persons_word_before_what_came_later(
    floor: Floor, lin: int, state: Sending
) -> None:
    conversation = await floor.meet()
    for text in ("一", "二"):
        await floor.post(conversation, text)
    (first, _) = await floor.all(Outgoing)
    await floor.do(outbox.mark_failed, first.id, state, "gone")

    await floor.do(outbox.send_again, first.id, f"agent:{lin}", at=floor.now + HOUR)
    with pytest.raises(NotLost):
        await floor.do(outbox.send_again, first.id, f"agent:{lin}", at=floor.now + HOUR)

    assert await waiting(floor, after=HOUR) == ["一"]
    assert await floor.deliver(at=floor.now + HOUR) == ["一", "二"]
    row = await floor.one(Outgoing, id=first.id)
    assert (row.state, row.problem, row.attempts) == (Sending.SENT, None, 1)
    assert [(one.action, one.actor) for one in await floor.all(AuditRow, action="message.sent_again")] == [
        ("message.sent_again", f"agent:{lin}")
    ]


async def test_nobody_sends_again_what_has_arrived(floor: Floor) -> None:
    await floor.post(await floor.meet(), "hello")
    await floor.deliver()

    for number in (1, 77):
        with pytest.raises(NotLost):
            await floor.do(outbox.send_again, number, "agent:1")
