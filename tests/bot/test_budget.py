"""How fast a bot writes: never above its budget, whatever is asked of it and when."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from bot.budget import Budget, Rate

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
BOT, CHAT, GROUP = Rate.at_most(28, SECOND), Rate(SECOND, burst=3), Rate.at_most(18, MINUTE)

# A steady crowd of requests: milliseconds since the last one, and the chat; "-1" is a group.
crowds = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["1", "2", "3", "-1"])), max_size=300)


def ask(budget: Budget, now: datetime, chat: str) -> timedelta:
    return budget.wait_for(now, chat, is_group=chat.startswith("-"))


def sent(crowd: list[tuple[int, str]]) -> list[tuple[datetime, str]]:
    """When what was asked for at these instants was let through; who has to wait gives up."""
    budget = Budget(BOT, CHAT, GROUP)
    instants = accumulate((timedelta(milliseconds=pause) for pause, _ in crowd), initial=NOW)
    return [(at, chat) for at, (_, chat) in zip(instants, crowd, strict=False) if not ask(budget, at, chat)]


def busiest(instants: list[datetime], span: timedelta) -> int:
    return max((sum(at <= one <= at + span for one in instants) for at in instants), default=0)


@given(crowds)
def test_no_window_holds_more_than_the_budget(crowd: list[tuple[int, str]]) -> None:
    let_through = sent(crowd)

    assert busiest([at for at, _ in let_through], SECOND) <= 28
    assert busiest([at for at, chat in let_through if chat == "-1"], MINUTE) <= 18
    for span in (SECOND, 10 * SECOND):
        for chat in "123":
            instants = [at for at, one in let_through if one == chat]
            assert busiest(instants, span) <= 3 + span / SECOND


@given(crowds)
def test_the_wait_that_is_named_is_long_enough_and_no_longer_than_it_must(crowd: list[tuple[int, str]]) -> None:
    budget, now = Budget(BOT, CHAT, GROUP), NOW
    for pause, chat in crowd:
        now += timedelta(milliseconds=pause)
        if wait := ask(budget, now, chat):
            assert ask(budget, now + wait - timedelta.resolution, chat) > timedelta(0)
            now += wait
            assert ask(budget, now, chat) == timedelta(0)


def test_a_chat_that_waits_costs_the_others_nothing() -> None:
    budget = Budget(BOT, CHAT, GROUP)

    waits = [ask(budget, NOW, "1") for _ in range(10)]

    assert waits[:3] == [timedelta(0)] * 3
    assert set(waits[3:]) == {SECOND}
    assert ask(budget, NOW, "2") == timedelta(0)


def test_a_clock_that_is_put_back_stops_nobody_for_long() -> None:
    budget = Budget(BOT, CHAT, GROUP)
    for _ in range(3):
        ask(budget, NOW, "1")

    wait = ask(budget, NOW - timedelta(hours=1), "1")

    assert wait == SECOND


def test_a_wait_that_the_channel_names_is_that_chats() -> None:
    budget = Budget(BOT, CHAT, GROUP)
    budget.obey(NOW, "1", timedelta(seconds=9))

    assert ask(budget, NOW, "1") == timedelta(seconds=9)
    assert ask(budget, NOW, "2") == timedelta(0)
    assert ask(budget, NOW + timedelta(seconds=9), "1") == timedelta(0)


def test_a_second_chat_that_is_refused_closes_all() -> None:
    budget = Budget()
    budget.obey(NOW, "1", timedelta(seconds=9))
    budget.obey(NOW + SECOND, "2", timedelta(seconds=5))

    assert ask(budget, NOW + SECOND, "3") == timedelta(seconds=5)
    assert ask(budget, NOW + 6 * SECOND, "3") == timedelta(0)
    assert ask(budget, NOW + 6 * SECOND, "1") == timedelta(seconds=3)


def test_the_same_chat_refused_twice_closes_only_itself() -> None:
    budget = Budget()
    budget.obey(NOW, "1", timedelta(seconds=2))
    budget.obey(NOW + 2 * SECOND, "1", timedelta(seconds=2))

    assert ask(budget, NOW + 2 * SECOND, "2") == timedelta(0)


def test_a_sender_that_takes_over_sends_no_burst() -> None:
    budget = Budget(BOT, CHAT, GROUP)
    budget.empty(NOW)

    assert ask(budget, NOW, "1") == BOT.every


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 4)), max_size=200))
def test_albums_count_as_their_pictures(crowd: list[tuple[int, int]]) -> None:
    budget, sent = Budget(BOT, CHAT), list[datetime]()
    instants = accumulate((timedelta(milliseconds=pause) for pause, _ in crowd), initial=NOW)
    for number, (at, (_, pictures)) in enumerate(zip(instants, crowd, strict=False)):
        if not budget.closed_for(at, pictures) and not budget.wait_for(at, str(number % 3), messages=pictures):
            sent += [at] * pictures

    assert busiest(sent, SECOND) <= 28


def test_an_album_larger_than_a_burst_goes_when_all_is_free_and_is_paid_for_afterwards() -> None:
    budget = Budget(chat=CHAT)

    assert budget.wait_for(NOW, "1", messages=4) == timedelta(0)
    assert budget.wait_for(NOW, "1", messages=4) == 4 * SECOND
    assert ask(budget, NOW, "1") == 2 * SECOND
