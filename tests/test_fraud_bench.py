"""The fraud simulator is the same from the same seed, and says that it is synthetic."""

import json

import pytest

from benchmarks import fraud
from benchmarks._shoppers import CHEATING, HONEST, Crowd, purchases
from kadesk.bench import find


def test_a_seed_makes_one_crowd_and_another_seed_another() -> None:
    one, again, other = Crowd(1, 0.1), Crowd(1, 0.1), Crowd(2, 0.1)

    assert one.filings == again.filings
    assert one.filings != other.filings
    assert {filing.style for filing in one.filings} == {*HONEST, *CHEATING}


def test_nobody_claims_what_was_not_bought_or_before_it_was_delivered() -> None:
    crowd = Crowd(3, 0.2)

    for filing in crowd.filings:
        assert filing.at > filing.purchase.delivered_at
        assert set(filing.positions) <= set(range(1, filing.purchase.quantity + 1))
    numbers = [bought.number for bought in purchases(crowd)]
    assert len(numbers) == len(set(numbers))


def test_the_seed_that_is_reported_is_not_the_one_that_was_tuned_on() -> None:
    assert fraud.REPORTED not in fraud.TUNED_ON


@pytest.mark.slow
def test_a_small_crowd_is_played_through_the_engine() -> None:
    result = find("fraud")(100)

    assert json.loads(json.dumps(result)) == result
    assert (result["synthetic"], result["seed"]) == (True, fraud.REPORTED)
    assert "synthetic" in result["machine"]
    held, delayed = result["rows"][:2]
    assert held["value"] > 0.7
    assert delayed["value"] < 0.05
    assert {row["met"] for row in result["rows"][2:]} == {None}
