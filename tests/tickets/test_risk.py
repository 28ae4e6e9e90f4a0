"""What makes a claim risky, and that every point says why."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.words import LANGUAGES, words
from tickets.risk import MEASURES, Facts, RiskRules, Signal, needs_person, weigh

RULES = RiskRules(person_from=50)
DAY = timedelta(days=1)
PLAIN = Facts(age=timedelta(hours=2), price=4_850)


def test_a_first_claim_soon_after_the_delivery_weighs_nothing() -> None:
    risk = weigh(PLAIN, RULES)

    assert (risk.score, risk.points) == (0, ())
    assert not needs_person(risk, RULES)


@pytest.mark.parametrize(
    ("facts", "signal"),
    [
        pytest.param(Facts(claims=2), Signal.MANY_CLAIMS, id="more claims than bought"),
        pytest.param(Facts(claims=3, orders_today=3), Signal.MANY_ORDERS, id="three orders in a day"),
        pytest.param(Facts(of_order=2, quantity=8, codes=8), Signal.SEVERAL, id="two of eight"),
        pytest.param(Facts(age=timedelta(hours=25)), Signal.SLOW, id="the day after"),
        pytest.param(Facts(of_order=3, quantity=5), Signal.MOST_OF_ORDER, id="three of five"),
        pytest.param(Facts(age=8 * DAY), Signal.LATE, id="late"),
        pytest.param(Facts(seen_for=2 * DAY), Signal.SEEN, id="seen long before"),
        pytest.param(Facts(refused=1), Signal.REFUSED, id="refused before"),
        pytest.param(Facts(refunded=1), Signal.REFUNDED, id="refunded before"),
        pytest.param(Facts(same_picture=1), Signal.SAME_PICTURE, id="picture again"),
        pytest.param(Facts(like_picture=1), Signal.LIKE_PICTURE, id="picture nearly again"),
        pytest.param(Facts(linked=1), Signal.LINKED, id="others on the order"),
        pytest.param(Facts(others_codes=1), Signal.OTHERS_CODE, id="somebody else's code"),
        pytest.param(Facts(strays=3), Signal.STRAYS, id="strays"),
        pytest.param(Facts(wrong_proofs=3), Signal.WRONG_PROOFS, id="wrong proofs"),
        pytest.param(Facts(same_contact=2), Signal.SAME_CONTACT, id="three accounts of the same mail"),
        pytest.param(Facts(same_place=2), Signal.SAME_PLACE, id="two others at the place"),
        pytest.param(Facts(other_contact=3), Signal.OTHER_CONTACT, id="other mail than ever before"),
        pytest.param(Facts(price=10_000), Signal.DEAR, id="dear"),
        pytest.param(Facts(price=10_000), Signal.NEW_AND_DEAR, id="dear, of who is new"),
        pytest.param(Facts(round=2), Signal.SECOND_ROUND, id="the replacement too"),
        pytest.param(Facts(round=2, vouchers=2, claims=2), Signal.SECOND_ROUND, id="the replacement and others too"),
        pytest.param(Facts(seen_for=timedelta(seconds=20)), Signal.HASTY, id="seen a moment ago"),
    ],
)
def test_each_signal_adds_its_points(facts: Facts, signal: Signal) -> None:
    risk = weigh(facts, RULES)

    assert signal in {point.signal for point in risk.points}
    assert risk.score > 0


@pytest.mark.parametrize(("currency", "price"), [("CNY", "100.00"), ("JPY", "10000")])
def test_a_price_is_told_as_its_currency_writes_it(currency: str, price: str) -> None:
    points = weigh(Facts(price=10_000, currency=currency), RULES).points

    assert {point.facts["price"] for point in points} == {price}


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(Facts(claims=2, codes=40, quantity=40), id="two of forty codes"),
        pytest.param(Facts(of_order=2, quantity=20, codes=20), id="two of twenty"),
        pytest.param(Facts(of_order=2, quantity=3, codes=60), id="two of three of who buys much"),
        pytest.param(Facts(age=DAY), id="a day to the minute"),
        pytest.param(Facts(strays=2), id="two strays"),
        pytest.param(Facts(claims=2, together=1, codes=12, quantity=12), id="two of twelve at once"),
        pytest.param(Facts(claims=4, codes=400, orders_today=3), id="three orders of who buys much"),
        pytest.param(Facts(price=9_999), id="not quite dear"),
        pytest.param(Facts(same_contact=1), id="a browser that forgot us"),
        pytest.param(Facts(other_contact=1), id="a second mail"),
        pytest.param(Facts(same_place=3), id="a place where many are"),
        pytest.param(Facts(round=2, vouchers=2), id="a replacement of a batch that others complain about"),
        pytest.param(Facts(age=timedelta(minutes=1)), id="a minute after the delivery"),
    ],
)
def test_what_happens_to_honest_buyers_weighs_nothing(facts: Facts) -> None:
    assert weigh(facts, RULES).points == ()


def test_a_bad_batch_and_a_history_speak_for_the_buyer() -> None:
    claims = Facts(of_order=3, quantity=4, age=8 * DAY)

    alone = weigh(claims, RULES)
    with_others = weigh(replace(claims, batch_buyers=5), RULES)
    off_sale = weigh(replace(claims, is_off_sale=True), RULES)
    known = weigh(replace(claims, known_for=90 * DAY, whole_orders=5), RULES)

    assert needs_person(alone, RULES)
    assert (with_others.score, off_sale.score) == (0, 0)
    assert known.score == alone.score - 5


@pytest.mark.parametrize("facts", [Facts(same_picture=1, claims=3), Facts(linked=2, claims=3)])
def test_a_bad_batch_does_not_excuse_who_files_or_what_they_show(facts: Facts) -> None:
    assert needs_person(weigh(replace(facts, batch_buyers=9), RULES), RULES)


def test_a_few_codes_of_an_order_wait_and_most_of_it_or_two_do_not() -> None:
    two = Facts(of_order=2, quantity=8, codes=8, claims=2, together=1, age=timedelta(hours=2))
    three = replace(two, claims=3, together=2, of_order=3)

    assert not needs_person(weigh(two, RULES), RULES)
    assert needs_person(weigh(three, RULES), RULES)
    assert not needs_person(weigh(replace(three, batch_buyers=4, claims=0), RULES), RULES)
    assert not needs_person(weigh(replace(three, quantity=3, codes=3), RULES), RULES)


def test_an_account_in_other_hands_has_no_history() -> None:
    known = Facts(known_for=90 * DAY, whole_orders=5)

    assert {point.signal for point in weigh(known, RULES).points} == {Signal.HISTORY}
    assert {point.signal for point in weigh(replace(known, other_contact=5), RULES).points} == {Signal.OTHER_CONTACT}


def test_the_owner_sets_points_and_threshold() -> None:
    risk = weigh(Facts(same_picture=1), RiskRules(points={Signal.SAME_PICTURE: 7}))

    assert [point.points for point in risk.points] == [7]
    assert not needs_person(risk, RiskRules(person_from=0))
    assert needs_person(risk, RiskRules(person_from=7))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("signal", Signal)
def test_every_point_is_explained_in_words(signal: Signal, language: str) -> None:
    worst = Facts(
        claims=9,
        orders_today=9,
        of_order=9,
        quantity=9,
        age=99 * DAY,
        seen_for=99 * DAY,
        refused=9,
        refunded=9,
        same_picture=9,
        like_picture=9,
        linked=9,
        same_contact=9,
        same_place=2,
        other_contact=9,
        others_codes=9,
        strays=9,
        wrong_proofs=9,
        price=99_999,
        round=2,
    )
    if signal in {Signal.BAD_BATCH, Signal.HISTORY}:
        worst = replace(worst, batch_buyers=9, known_for=99 * DAY, whole_orders=9, other_contact=0)
    if signal == Signal.NEW_AND_DEAR:
        worst = replace(worst, same_contact=0)
    if signal == Signal.HASTY:
        worst = replace(worst, age=timedelta(seconds=9))
    if signal == Signal.SLOW:
        worst = replace(worst, age=2 * DAY, round=1)
    if signal == Signal.SEVERAL:
        worst = replace(worst, of_order=4)
    point = next(one for one in weigh(worst, RULES).points if one.signal == signal)

    sentence = words(language)(f"risk.{signal}", **point.facts)

    assert sentence
    assert "{" not in sentence


counts = st.integers(0, 50)
spans = st.timedeltas(timedelta(0), timedelta(days=400))


@given(counts, counts, st.one_of(st.none(), spans), counts, st.integers(0, 10**6), counts, spans)
def test_points_add_up_and_the_score_is_never_negative(
    claims: int, refused: int, age: timedelta | None, same: int, price: int, batch: int, known_for: timedelta
) -> None:
    facts = Facts(
        claims=claims,
        refused=refused,
        age=age,
        same_picture=same,
        price=price,
        batch_buyers=batch,
        known_for=known_for,
        whole_orders=claims,
    )

    risk = weigh(facts, RULES)

    assert risk.score == max(0, sum(point.points for point in risk.points))
    assert weigh(facts, RULES) == risk
    assert set(MEASURES) == set(Signal)
