"""The order of the queue."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tickets.routing import Level, Tier, queue_key, rank_at

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


def test_a_higher_level_goes_before_any_wait() -> None:
    long_ago = queue_key(Level.HUMAN_QUEUE, START - timedelta(days=9), 1)

    assert queue_key(Level.LEAD, START, 2) < long_ago
    assert queue_key(Level.HUMAN_QUEUE, START, 3) > long_ago
