"""The fraud simulator is the same from the same seed, and says that it is synthetic."""

import json
from collections import Counter

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


def test_the_seeds_that_are_reported_are_none_that_were_tuned_on() -> None:
    assert len(set(fraud.REPORTED)) >= 5
    assert not set(fraud.REPORTED) & set(fraud.TUNED_ON)


def test_the_targets_are_judged_on_the_mean_of_the_crowds() -> None:
    style = "claim everything"
    crowds = [
        fraud.Played(value=Counter({style: 1_000}), held_value=Counter({style: part}), claims=Counter(resellers=50))
        for part in (900, 1_000)
    ]

    held, delayed = fraud.totals(crowds)

    assert (held["value"], held["lowest"], held["highest"], held["met"]) == (0.95, 0.9, 1.0, True)
    assert (delayed["value"], delayed["met"]) == (0, True)


@pytest.mark.slow
def test_a_small_crowd_is_played_through_the_engine() -> None:
    result = find("fraud")(50, fraud.TUNED_ON[:1])

    assert json.loads(json.dumps(result)) == result
    assert (result["synthetic"], result["seeds"]) == (True, list(fraud.TUNED_ON[:1]))
    assert "synthetic" in result["machine"]
    held, delayed = result["rows"][:2]
    assert held["value"] > 0.7
    assert delayed["value"] < 0.05
    assert {row["met"] for row in result["rows"][2:]} == {None}
