"""The order of the queue."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from tickets.hours import ALWAYS, Calendar, Window
from tickets.routing import GENERAL, Level, Routing, Tier, expected_at, rank_at

AGEING = timedelta(hours=4)
HEAD_STARTS = {Tier.VIP: timedelta(hours=2), Tier.MERCHANT: AGEING}
START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
waits = st.builds(lambda minutes: START + timedelta(minutes=minutes), st.integers(0, 3_000))
places = st.lists(st.tuples(waits, st.sampled_from(Tier)), min_size=2, max_size=30)


@given(places)
def test_nobody_waits_behind_a_fresher_ticket_by_more_than_the_ageing(places: list[tuple[datetime, Tier]]) -> None:
    served = sorted(places, key=lambda place: rank_at(*place, HEAD_STARTS))

    for position, (since, _) in enumerate(served):
        assert all(fresher - since <= AGEING for fresher, _ in served[:position])


@given(places)
def test_within_a_tier_the_longest_wait_is_first(places: list[tuple[datetime, Tier]]) -> None:
    served = sorted(places, key=lambda place: rank_at(*place, HEAD_STARTS))

    for tier in Tier:
        own = [since for since, other in served if other == tier]
        assert own == sorted(own)


def test_a_vip_overtakes_a_normal_ticket_that_is_hardly_older() -> None:
    normal = rank_at(START, "normal", HEAD_STARTS)

    assert rank_at(START + timedelta(minutes=119), "vip", HEAD_STARTS) < normal
    assert rank_at(START + timedelta(minutes=121), "vip", HEAD_STARTS) > normal


Ranking = Callable[[datetime, Tier], object]
events = st.lists(
    st.one_of(
        st.tuples(st.just("comes"), st.integers(0, 600), st.sampled_from(Tier)),
        st.tuples(st.just("served"), st.integers(0, 600), st.just(Tier.NORMAL)),
    ),
    max_size=40,
)


def longest_passed_over(events: list[tuple[str, int, Tier]], rank: Ranking) -> timedelta:
    """Plays a day of the queue: by how much the freshest ticket that was served before another was fresher than it."""
    now, waiting, worst = START, [], timedelta()
    for event, minutes, tier in events:
        now += timedelta(minutes=minutes)
        if event == "comes":
            waiting.append((now, tier))
        elif waiting:
            served = min(waiting, key=lambda place: rank(*place))
            waiting.remove(served)
            worst = max([worst, *(served[0] - since for since, _ in waiting)])
    return worst


@given(events)
def test_after_the_ageing_nothing_that_comes_goes_first(events: list[tuple[str, int, Tier]]) -> None:
    assert longest_passed_over(events, lambda since, tier: rank_at(since, tier, HEAD_STARTS)) <= AGEING


def test_a_queue_that_looks_at_the_tier_first_lets_a_ticket_starve() -> None:
    tiers = list(Tier)

    starving = find(events, lambda day: longest_passed_over(day, lambda since, tier: -tiers.index(tier)) > AGEING)

    assert starving


@given(waits, waits, st.sampled_from(Tier), st.sampled_from(Tier))
def test_the_order_of_two_depends_on_when_they_came_and_on_nothing_that_passes(
    one: datetime, other: datetime, tier: Tier, other_tier: Tier
) -> None:
    gap = rank_at(one, tier, HEAD_STARTS) - rank_at(other, other_tier, HEAD_STARTS)

    assert gap == (one - other) - (HEAD_STARTS.get(tier, timedelta()) - HEAD_STARTS.get(other_tier, timedelta()))


ROUTING = Routing(queues={"claim": "codes", "refund": "money"}, skills={"money": "accounting"})


@pytest.mark.parametrize(
    ("role", "skills", "places"),
    [
        pytest.param("agent", [], {GENERAL: 4}, id="no skill"),
        pytest.param("agent", ["codes"], {GENERAL: 4, "codes": 4}, id="a queue's own name"),
        pytest.param("agent", ["accounting", "money"], {GENERAL: 4, "money": 4}, id="a skill that the settings name"),
        pytest.param("lead", [], {GENERAL: 4, "codes": 1, "money": 1}, id="a lead pulls what came up to leads"),
        pytest.param("manager", [], {GENERAL: 4, "codes": 2, "money": 2}, id="a manager what came up to both"),
        pytest.param("lead", ["codes"], {GENERAL: 4, "codes": 4, "money": 1}, id="a lead with a skill"),
    ],
)
def test_agents_pull_from_the_queues_of_their_skills(role: str, skills: list[str], places: dict[str, int]) -> None:
    reach = ROUTING.reach(role, skills)

    assert {name: sum(queue == name for queue, _ in reach) for name, _ in reach} == places
    assert ("codes", Level.LEAD) in reach or role == "agent"


def test_a_category_without_a_queue_of_its_own_stands_in_the_general_one() -> None:
    found = [ROUTING.queue_of(category, "web", "main") for category in ("claim", "refund", "other")]

    assert found == ["codes", "money", GENERAL]


def test_an_account_with_a_queue_of_its_own_keeps_what_has_none_by_its_category() -> None:
    routing = Routing({"claim": "codes"}, {"telegram:7": "games"})

    assert [routing.queue_of(category, "telegram", "7") for category in ("claim", "other")] == ["codes", "games"]
    assert routing.queue_of("other", "telegram", "8") == GENERAL
    assert routing.all_queues == (GENERAL, "codes", "games")


MINUTES = [timedelta(minutes=number) for number in range(1_000)]
DAY = Calendar("day", UTC, ((Window(time(9), time(17)),),) * 7)
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def departures(*minutes: int) -> list[datetime]:
    return [MORNING + MINUTES[number] for number in minutes]


@pytest.mark.parametrize(
    ("ahead", "left", "now", "calendar", "wait"),
    [
        pytest.param(0, (0, 6, 12, 18, 24), 30, ALWAYS, 7.5, id="the next of a steady queue"),
        pytest.param(3, (0, 6, 12, 18, 24), 30, ALWAYS, 30, id="three before"),
        pytest.param(0, (0, 6, 12, 18, 24), 120, ALWAYS, 30, id="a standstill slows the pace"),
        pytest.param(0, (0, 6, 12, 18), 30, ALWAYS, None, id="too few to say"),
        pytest.param(0, (), 30, ALWAYS, None, id="none at all"),
        pytest.param(3, (440, 446, 452, 458, 464), 470, DAY, 16 * 60 + 30, id="the rest of the wait is tomorrow"),
        pytest.param(0, (0, 6, 12, 500, 510), 520, DAY, None, id="who worked at night sets no pace for the day"),
    ],
)
def test_the_estimate_is_the_measured_pace_in_staffed_time(
    ahead: int, left: tuple[int, ...], now: int, calendar: Calendar, wait: float | None
) -> None:
    at = MORNING + MINUTES[now]

    found = expected_at(ahead, departures(*left), at, calendar)

    assert found == (None if wait is None else at + timedelta(minutes=wait))


@given(st.lists(st.integers(0, 599), min_size=5, max_size=50), st.integers(0, 200))
def test_more_before_you_is_never_sooner(left: list[int], ahead: int) -> None:
    now = MORNING + timedelta(minutes=600)

    sooner, later = (expected_at(number, departures(*left), now, DAY) for number in (ahead, ahead + 1))

    assert (sooner is None) == (later is None)
    assert sooner is None or now <= sooner <= later
