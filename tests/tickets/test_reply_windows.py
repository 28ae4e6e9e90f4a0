"""The messenger's own clock: what a word allows, what a message spends, and who is told before it ends."""

from datetime import datetime, timedelta

import pytest

from tests.tickets.conftest import Floor
from tickets import reply_windows, window_alarms
from tickets.reply_windows import Allowance, Verdict, judge
from tickets.tables import Escalation, Level, Notice, Priority, ReplyWindow, Trigger

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
