"""Until when a code is under warranty, to the instant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.port import Order
from shop.tables import WarrantyFrom
from tests.tickets.counter import DAY, GOODS, NOW, ORDER
from tickets.warranty import AFTER_REPLACEMENT, covers, ends_at

INSTANTS = st.timedeltas(timedelta(), timedelta(days=3_000)).map(lambda span: datetime(2020, 1, 1, tzinfo=UTC) + span)
SPANS = st.timedeltas(timedelta(), timedelta(days=800))
FROM_REVEAL = replace(GOODS, warranty_from=WarrantyFrom.REVEAL)


def order(delivered_at: datetime, span: timedelta, since: WarrantyFrom) -> Order:
    return replace(ORDER, delivered_at=delivered_at, goods=replace(GOODS, warranty=span, warranty_from=since))


def end(*facts: object) -> datetime:
    last = ends_at(*facts)  # type: ignore[arg-type]
    assert last is not None
    return last


@pytest.mark.parametrize(
    ("goods", "seen_at", "last"),
    [
        pytest.param(GOODS, None, NOW + 29 * DAY, id="from delivery"),
        pytest.param(GOODS, NOW + DAY, NOW + 29 * DAY, id="from delivery, whenever it was seen"),
        pytest.param(FROM_REVEAL, NOW + DAY, NOW + 31 * DAY, id="from the first look"),
        pytest.param(FROM_REVEAL, None, NOW + 29 * DAY, id="from delivery while nobody has looked"),
        pytest.param(FROM_REVEAL, NOW - 5 * DAY, NOW + 29 * DAY, id="not from a look before its delivery"),
    ],
)
def test_where_a_warranty_begins(goods: object, seen_at: datetime | None, last: datetime) -> None:
    assert ends_at(replace(ORDER, goods=goods), seen_at) == last  # type: ignore[arg-type]


def test_without_delivery_there_is_none() -> None:
    assert ends_at(replace(ORDER, delivered_at=None), NOW, NOW) is None


@given(INSTANTS, SPANS, st.sampled_from(WarrantyFrom), st.none() | INSTANTS, st.none() | INSTANTS)
def test_the_last_instant_is_inside_and_the_next_is_not(
    delivered_at: datetime, span: timedelta, since: WarrantyFrom, seen_at: datetime | None, given_at: datetime | None
) -> None:
    last = end(order(delivered_at, span, since), seen_at, given_at)

    assert covers(last, last)
    assert not covers(last, last + timedelta.resolution)


@given(INSTANTS, SPANS, SPANS, st.sampled_from(WarrantyFrom), st.none() | INSTANTS, st.none() | INSTANTS)
def test_a_longer_warranty_never_ends_earlier(
    delivered_at: datetime,
    span: timedelta,
    more: timedelta,
    since: WarrantyFrom,
    seen_at: datetime | None,
    given_at: datetime | None,
) -> None:
    short, long = order(delivered_at, span, since), order(delivered_at, span + more, since)

    assert end(short, seen_at, given_at) <= end(long, seen_at, given_at)


@given(INSTANTS, SPANS, st.none() | INSTANTS, st.none() | INSTANTS)
def test_from_the_first_look_is_never_less_than_from_delivery(
    delivered_at: datetime, span: timedelta, seen_at: datetime | None, given_at: datetime | None
) -> None:
    delivery, reveal = (order(delivered_at, span, since) for since in WarrantyFrom)

    assert end(delivery, seen_at, given_at) <= end(reveal, seen_at, given_at)


@given(INSTANTS, SPANS, st.sampled_from(WarrantyFrom), st.none() | INSTANTS, INSTANTS)
def test_a_replacement_is_covered_as_long_as_its_order_and_three_days_at_least(
    delivered_at: datetime, span: timedelta, since: WarrantyFrom, seen_at: datetime | None, given_at: datetime
) -> None:
    sold = order(delivered_at, span, since)

    last = end(sold, seen_at, given_at)

    assert last >= end(sold, seen_at)
    assert last >= given_at + AFTER_REPLACEMENT
