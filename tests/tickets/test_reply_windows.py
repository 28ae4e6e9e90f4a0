"""The messenger's own clock: what a word allows, what a message spends, and who is told before it ends."""

from datetime import datetime, timedelta

import pytest

from tests.tickets.conftest import Floor
from tickets import outbox, reply_windows, window_alarms
from tickets.reply_windows import Allowance, Verdict, judge
from tickets.tables import (
    Author,
    Conversation,
    Escalation,
    Level,
    Notice,
    Outgoing,
    Priority,
    ReplyWindow,
    Sending,
    Trigger,
)

WORD = Allowance(timedelta(hours=48), 5)
TOUCH = Allowance(timedelta(minutes=1), 3)
BEFORE = timedelta(hours=4)


@pytest.mark.parametrize(
    ("left", "priority", "verdict"),
    [
        (5, Priority.NOTICE, Verdict.SEND),
        (3, Priority.BOT_REPLY, Verdict.SEND),
        (2, Priority.BOT_REPLY, Verdict.HOLD),
        (2, Priority.AGENT_REPLY, Verdict.SEND),
        (1, Priority.OUTCOME, Verdict.SEND),
        (0, Priority.AGENT_REPLY, Verdict.CLOSED),
    ],
)
def test_the_last_two_are_for_a_person_and_the_outcome(
    now: datetime, left: int, priority: Priority, verdict: Verdict
) -> None:
    window = ReplyWindow(conversation_id=1, closes_at=now + timedelta(hours=1), messages_left=left)

    assert judge(window, now, priority) == verdict


def test_it_closes_at_its_instant(now: datetime) -> None:
    window = ReplyWindow(conversation_id=1, closes_at=now, messages_left=5)

    assert judge(window, now - timedelta(microseconds=1), Priority.OUTCOME) == Verdict.SEND
    assert judge(window, now, Priority.OUTCOME) == Verdict.CLOSED
    assert judge(None, now, Priority.OUTCOME) == Verdict.CLOSED


async def test_a_word_starts_it_anew_and_a_touch_takes_nothing_away(floor: Floor) -> None:
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)
    assert await floor.do(reply_windows.spend, conversation.id, 4)

    await floor.do(reply_windows.renew, conversation.id, TOUCH)
    after_touch = await floor.one(ReplyWindow)
    await floor.do(reply_windows.renew, conversation.id, WORD, at=floor.now + timedelta(hours=1))
    after_word = await floor.one(ReplyWindow)

    assert (after_touch.closes_at, after_touch.messages_left) == (floor.now + timedelta(hours=48), 1)
    assert (after_word.closes_at, after_word.messages_left) == (floor.now + timedelta(hours=49), 5)


async def test_a_word_that_is_read_late_counts_what_was_sent_after_it(floor: Floor) -> None:
    """The platform counts from the word. Its twin is a word that came after all that was sent."""
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)
    for minute in (2, 3, 4):
        await floor.do(reply_windows.spend, conversation.id)
        await send(floor, conversation, floor.now + timedelta(minutes=minute))

    before_two = floor.now + timedelta(minutes=2, seconds=30)
    await floor.do(reply_windows.renew, conversation.id, WORD, at=before_two)
    late = (await floor.one(ReplyWindow)).messages_left
    await floor.do(reply_windows.renew, conversation.id, WORD, at=floor.now + timedelta(minutes=5))

    assert (late, (await floor.one(ReplyWindow)).messages_left) == (3, 5)


async def test_old_words_that_are_read_one_after_another_give_five_once(floor: Floor) -> None:
    conversation = await floor.meet()
    back_at = floor.now + timedelta(hours=40)
    left = []

    for hour in range(5):
        said_at = floor.now + timedelta(hours=hour)
        await floor.do(reply_windows.renew, conversation.id, WORD, at=said_at, came_at=back_at)
        assert await floor.do(reply_windows.spend, conversation.id, at=back_at)
        await send(floor, conversation, back_at + timedelta(seconds=hour))
        left.append((await floor.one(ReplyWindow)).messages_left)

    assert left == [4, 3, 2, 1, 0]


async def test_what_may_have_gone_out_counts_and_what_went_out_as_one_counts_once(floor: Floor) -> None:
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)
    await floor.do(reply_windows.spend, conversation.id, 5)
    as_one = [await post(floor, conversation) for _ in range(2)]
    for number in as_one:
        await floor.do(outbox.mark_sent, number, "k-1", at=floor.now + timedelta(seconds=2))
    unsure, under_way = await post(floor, conversation), await post(floor, conversation)
    await floor.do(outbox.mark_failed, unsure, Sending.UNKNOWN, "may have arrived")
    async with floor.database.writing() as session:
        await outbox.begin(session, [under_way])

    await floor.do(reply_windows.renew, conversation.id, WORD, at=floor.now, came_at=floor.now + timedelta(hours=1))

    assert (await floor.one(ReplyWindow)).messages_left == 2


async def test_a_word_is_not_newer_than_its_arrival(floor: Floor) -> None:
    """Else a clock of ours that is behind would let what was sent after the word stand before it."""
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)
    await floor.do(reply_windows.spend, conversation.id)
    await send(floor, conversation, floor.now + timedelta(seconds=2))

    ahead = floor.now + timedelta(minutes=3)
    await floor.do(reply_windows.renew, conversation.id, WORD, at=ahead, came_at=floor.now + timedelta(seconds=1))

    assert (await floor.one(ReplyWindow)).messages_left == 4


async def post(floor: Floor, conversation: Conversation) -> int | None:
    """Its number in the outbox."""
    await floor.do(outbox.post, conversation, "好的", author=Author.BOT)
    return (await floor.all(Outgoing))[-1].id


async def send(floor: Floor, conversation: Conversation, at: datetime) -> None:
    await floor.do(outbox.mark_sent, await post(floor, conversation), "", at=at)


async def test_no_more_is_spent_than_there_is(floor: Floor) -> None:
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)

    spent = [await floor.do(reply_windows.spend, conversation.id, 2) for _ in range(3)]
    late = await floor.do(reply_windows.spend, conversation.id, 1, at=floor.now + timedelta(hours=48))
    await floor.do(reply_windows.give_back, conversation.id, 2)

    assert spent == [True, True, False]
    assert not late
    assert (await floor.one(ReplyWindow)).messages_left == 3


async def ring(floor: Floor, at: datetime) -> int:
    return await window_alarms.ring(floor.database, lambda: at, floor.desk, BEFORE)


async def test_leads_hear_of_it_once_before_it_ends(floor: Floor, lin: int, chen: int) -> None:
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)
    ticket = await floor.open(conversation, level=Level.HUMAN_QUEUE)
    soon = floor.now + timedelta(hours=44)

    early = await ring(floor, soon - timedelta(seconds=1))
    rung = [await ring(floor, soon), await ring(floor, soon + timedelta(hours=1))]

    assert (early, rung) == (0, [1, 0])
    assert (await floor.fresh(ticket)).level == Level.LEAD
    assert [one.trigger for one in await floor.all(Escalation, level=Level.LEAD)] == [Trigger.WINDOW]
    assert [one.agent_id for one in await floor.all(Notice) if "trigger.window" in one.text] == [chen]


async def test_who_has_it_already_is_told(floor: Floor, chen: int) -> None:
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)
    await floor.open(conversation, level=Level.LEAD)

    await ring(floor, floor.now + timedelta(hours=45))

    assert any("notice.window" in one.text and "left=5" in one.text for one in await floor.all(Notice))


async def test_nobody_is_told_while_the_buyer_is_waited_for(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)
    ticket = await floor.open(conversation, level=Level.HUMAN_QUEUE)
    await floor.do(floor.desk.take, ticket.id, lin)
    await floor.do(floor.desk.reply, ticket.id, lin, "好了")
    await floor.deliver()

    assert await ring(floor, floor.now + timedelta(hours=45)) == 0


async def test_a_buyers_next_word_counts_anew(floor: Floor, chen: int) -> None:
    conversation = await floor.meet()
    await floor.do(reply_windows.renew, conversation.id, WORD)
    await floor.open(conversation, level=Level.LEAD)
    await ring(floor, floor.now + timedelta(hours=45))

    await floor.do(reply_windows.renew, conversation.id, WORD, at=floor.now + timedelta(hours=46))

    assert await ring(floor, floor.now + timedelta(hours=47)) == 0
    assert await ring(floor, floor.now + timedelta(hours=46 + 45)) == 1
