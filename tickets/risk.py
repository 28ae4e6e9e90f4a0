"""How risky a claim is: facts in, points out, every point with the facts that explain it. Pure.

A score sends a claim to a person; it refuses nothing and accuses nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from shop.money import plain


class Signal(StrEnum):
    """What speaks for or against a claim; the words `risk.<value>` tell staff."""

    MANY_CLAIMS = "many_claims"  # more than what was bought explains
    MANY_ORDERS = "many_orders"  # claims about several orders on one day
    SEVERAL = "several"  # codes of one order: more than chance explains, and fewer than a bad batch
    MOST_OF_ORDER = "most_of_order"
    SLOW = "slow"  # a while after the delivery: most try a code at once
    LATE = "late"  # long after the delivery
    SEEN = "seen"  # the code had been looked at long before
    REFUSED = "refused"  # earlier claims that were not true
    REFUNDED = "refunded"  # a claim about this order was paid back
    SAME_PICTURE = "same_picture"  # of another claim
    LIKE_PICTURE = "like_picture"  # nearly one of another claim
    LINKED = "linked"  # other buyers who share orders or pictures
    SAME_CONTACT = "same_contact"  # others with claims about orders of the same mail: likely the same person
    SAME_PLACE = "same_place"  # orders placed, or codes opened, from where a few others with claims did
    OTHER_CONTACT = "other_contact"  # what they proved before was ordered with another mail, and elsewhere
    OTHERS_CODE = "others_code"  # a code of somebody else's order was tried
    STRAYS = "strays"  # typed codes that fit no order of theirs
    WRONG_PROOFS = "wrong_proofs"  # on this order
    DEAR = "dear"
    NEW_AND_DEAR = "new_and_dear"  # and nothing is known of the buyer
    # The code was given for another one, and nobody else complains about its batch, or this buyer about others as well.
    SECOND_ROUND = "second_round"
    HASTY = "hasty"  # sooner after the first look than anybody can have tried it
    BAD_BATCH = "bad_batch"  # others complain about the same batch, or a person took it off sale
    HISTORY = "history"  # known for long, with orders that nothing was wrong with


def _points() -> dict[Signal, int]:
    return {
        Signal.MANY_CLAIMS: 35,
        Signal.MANY_ORDERS: 40,
        Signal.SEVERAL: 35,
        Signal.MOST_OF_ORDER: 25,
        Signal.SLOW: 15,
        Signal.LATE: 30,
        Signal.SEEN: 25,
        Signal.REFUSED: 40,
        Signal.REFUNDED: 10,
        Signal.SAME_PICTURE: 100,
        Signal.LIKE_PICTURE: 1,
        Signal.LINKED: 30,
        Signal.SAME_CONTACT: 5,
        Signal.SAME_PLACE: 5,
        Signal.OTHER_CONTACT: 50,
        Signal.OTHERS_CODE: 40,
        Signal.STRAYS: 15,
        Signal.WRONG_PROOFS: 15,
        Signal.DEAR: 10,
        Signal.NEW_AND_DEAR: 1,
        Signal.SECOND_ROUND: 40,
        Signal.HASTY: 15,
        Signal.BAD_BATCH: -60,
        Signal.HISTORY: -5,
    }


@dataclass(frozen=True, slots=True)
class RiskRules:
    """The owner's choices."""

    person_from: int = 0  # points from which a person looks; 0: none is held for its points
    points: Mapping[Signal, int] = field(default_factory=_points)
    window: timedelta = timedelta(days=30)  # claims of so long are counted
    free_claims: int = 1  # in the window, this one included, that count nothing
    free_share: float = 0.05  # and this share of the codes bought besides
    slow_after: timedelta = timedelta(hours=24)  # of the delivery
    late_after: timedelta = timedelta(days=7)  # of the delivery
    seen_after: timedelta = timedelta(hours=24)  # of the first look at the code
    hasty_within: timedelta = timedelta(minutes=1)  # of the first look, or the delivery
    dear_from: int = 10_000  # minor units
    new_for: timedelta = timedelta(hours=24)  # since we met a buyer
    place_most: int = 2  # others at one place; more are a carrier's or an office's
    vouched_from: int = 2  # other buyers with a believable claim about its batch explain a second round
    batch_from: int = 4  # other buyers with a believable claim about the batch
    known_for: timedelta = timedelta(days=60)  # a history begins to speak
    whole_orders: int = 3  # of it, without a claim


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a claim and of who files it; a fact that is not known speaks neither way."""

    # In the window, this one included, of this buyer and of linked ones. An earlier round is the same one, and what a
    # bad batch explains is none.
    claims: int = 1
    together: int = 0  # of these, beside the first of each order that was claimed at one time: they came in one batch
    codes: int = 1  # bought, as far as orders were proved
    orders_today: int = 1  # that this buyer claimed about within 24 hours
    of_order: int = 1  # claims about this order
    quantity: int = 1  # codes of this order
    age: timedelta | None = None  # of the delivery
    seen_for: timedelta | None = None  # since the code was first looked at
    refused: int = 0
    refunded: int = 0
    same_picture: int = 0  # other claims
    like_picture: int = 0
    linked: int = 0  # buyers
    same_contact: int = 0  # accounts with claims
    same_place: int = 0  # buyers
    # Orders that were proved before, with another contact and from another place. None when one that nothing was wrong
    # with is like this one: who only ever claims may have taken the account over.
    other_contact: int = 0
    others_codes: int = 0
    strays: int = 0
    wrong_proofs: int = 0
    price: int = 0  # minor units
    currency: str = "CNY"
    round: int = 1
    second_rounds: int = 0  # about other codes
    vouchers: int = 0  # others with a believable claim about the batch of this code, or of the one before it
    batch_buyers: int = 0  # others with a believable claim about the batch
    is_off_sale: bool = False  # a person took the batch off sale
    known_for: timedelta = timedelta()
    whole_orders: int = 0  # proved and without a claim


@dataclass(frozen=True, slots=True)
class Point:
    """One reason of a score. `facts` fill its words."""

    signal: Signal
    points: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Risk:
    score: int
    points: tuple[Point, ...]  # those that count, the heaviest first

    def as_rows(self) -> list[dict[str, Any]]:
        """As a claim keeps them."""
        return [{"signal": str(one.signal), "points": one.points, "facts": dict(one.facts)} for one in self.points]


@dataclass(frozen=True, slots=True)
class Measured:
    """How often a signal's points count, and why."""

    times: float
    facts: Mapping[str, Any] = field(default_factory=dict)


# What a bad batch explains. Not who files a claim, nor how; and its claims are not among the many to begin with.
EXPLAINED = frozenset(
    {Signal.SEVERAL, Signal.MOST_OF_ORDER, Signal.SLOW, Signal.LATE, Signal.SEEN, Signal.REFUNDED}
    | {Signal.DEAR, Signal.NEW_AND_DEAR, Signal.SECOND_ROUND}
)
SOME = 3  # codes of an order, or strays, before their number says anything
BESIDE = 1 / 3  # of a claim: a further code of an order, claimed together with the first
FREE_ORDERS = 2  # claimed about on one day: who buys twice on a day tries both
LIMIT = 3.0  # a signal counts at most so often


def weigh(facts: Facts, rules: RiskRules) -> Risk:
    """The score of a claim, 0 or more, and what it is made of."""
    points: list[Point] = []
    for signal, measure in MEASURES.items():
        measured = measure(facts, rules)
        value = round(min(measured.times, LIMIT) * rules.points.get(signal, 0))
        if signal == Signal.BAD_BATCH:
            value = max(value, -sum(point.points for point in points if point.signal in EXPLAINED))
        if value:
            points.append(Point(signal, value, measured.facts))
    points.sort(key=lambda point: -abs(point.points))
    return Risk(max(0, sum(point.points for point in points)), tuple(points))


def needs_person(risk: Risk, rules: RiskRules) -> bool:
    return 0 < rules.person_from <= risk.score


def _excess(facts: Facts, rules: RiskRules) -> float:
    """How many claims more than what was bought explains."""
    claims = facts.claims - facts.together * (1 - BESIDE)
    return max(0.0, claims - rules.free_claims - rules.free_share * facts.codes)


def _many_claims(facts: Facts, rules: RiskRules) -> Measured:
    named = {"claims": facts.claims, "codes": facts.codes, "days": rules.window.days}
    return Measured(_excess(facts, rules), named)


def _many_orders(facts: Facts, rules: RiskRules) -> Measured:
    """Who buys much claims about several orders on a day now and then."""
    more = max(0, facts.orders_today - FREE_ORDERS) if _excess(facts, rules) else 0
    return Measured(more, {"count": facts.orders_today - 1})


def _several(facts: Facts, rules: RiskRules) -> Measured:
    """One is bad by chance, and most of them with their batch; a few of many are neither."""
    more = 0.0 if _is_most(facts) else max(0.0, facts.of_order - 1 - rules.free_share * facts.codes)
    return Measured(more, {"claims": facts.of_order, "codes": facts.quantity})


def _is_most(facts: Facts) -> bool:
    return facts.of_order >= SOME and facts.of_order * 2 > facts.quantity


def _most_of_order(facts: Facts, _: RiskRules) -> Measured:
    return Measured(_is_most(facts), {"claims": facts.of_order, "codes": facts.quantity})


def _slow(facts: Facts, rules: RiskRules) -> Measured:
    """Of a replacement it is the first look that counts, see `_seen`."""
    age = facts.age or timedelta()
    is_slow = facts.round == 1 and rules.slow_after < age <= rules.late_after
    return Measured(is_slow, {"hours": age // timedelta(hours=1)})


def _late(facts: Facts, rules: RiskRules) -> Measured:
    age = facts.age or timedelta()
    return Measured(age > rules.late_after, {"days": age.days})


def _seen(facts: Facts, rules: RiskRules) -> Measured:
    seen_for = facts.seen_for or timedelta()
    return Measured(seen_for > rules.seen_after, {"hours": seen_for // timedelta(hours=1)})


def _strays(facts: Facts, _: RiskRules) -> Measured:
    return Measured(facts.strays // SOME, {"count": facts.strays})


def _wrong_proofs(facts: Facts, _: RiskRules) -> Measured:
    return Measured(facts.wrong_proofs // SOME, {"count": facts.wrong_proofs})


def _dear(facts: Facts, rules: RiskRules) -> Measured:
    return Measured(facts.price >= rules.dear_from, {"price": plain(facts.price, facts.currency)})


def _bad_batch(facts: Facts, rules: RiskRules) -> Measured:
    is_bad = facts.is_off_sale or facts.batch_buyers >= rules.batch_from
    return Measured(is_bad, {"buyers": facts.batch_buyers})


def _same_place(facts: Facts, rules: RiskRules) -> Measured:
    """Where many are, nobody has anything to do with the others."""
    return Measured(0 < facts.same_place <= rules.place_most, {"count": facts.same_place})


def _same_contact(facts: Facts, _: RiskRules) -> Measured:
    """One other account is a browser that forgot us: its claims count, itself does not."""
    return Measured(max(0, facts.same_contact - 1), {"count": facts.same_contact})


def _other_contact(facts: Facts, _: RiskRules) -> Measured:
    """However many: an account in other hands. After a single order it is a second mail."""
    return Measured(facts.other_contact > 1, {"count": facts.other_contact})


def _new_and_dear(facts: Facts, rules: RiskRules) -> Measured:
    is_new = facts.known_for < rules.new_for and not facts.whole_orders and not facts.same_contact
    hours = facts.known_for // timedelta(hours=1)
    named = {"price": plain(facts.price, facts.currency), "hours": hours}
    return Measured(is_new and facts.price >= rules.dear_from, named)


def _second_round(facts: Facts, rules: RiskRules) -> Measured:
    """And once more for every other code that was claimed twice. Nobody vouches for one of several claims."""
    is_one = facts.claims <= 1 and facts.of_order <= 1
    is_alone = facts.round > 1 and not (is_one and facts.vouchers >= rules.vouched_from)
    return Measured(is_alone * (1 + facts.second_rounds), {"round": facts.round, "count": facts.second_rounds})


def _hasty(facts: Facts, rules: RiskRules) -> Measured:
    known = [span for span in (facts.age, facts.seen_for) if span is not None]
    since = min(known, default=rules.hasty_within)
    return Measured(since < rules.hasty_within, {"seconds": since // timedelta(seconds=1)})


def _like_picture(facts: Facts, _: RiskRules) -> Measured:
    """However many: a platform's error page looks like itself."""
    return Measured(facts.like_picture > 0, {"count": facts.like_picture})


def _history(facts: Facts, rules: RiskRules) -> Measured:
    is_old = facts.known_for >= rules.known_for and facts.whole_orders >= rules.whole_orders
    is_old = is_old and not facts.other_contact  # else it is another person's
    return Measured(is_old, {"days": facts.known_for.days, "orders": facts.whole_orders})


def _count(name: str) -> Callable[[Facts, RiskRules], Measured]:
    """Each one counts."""

    def measure(facts: Facts, _: RiskRules) -> Measured:
        count = getattr(facts, name)
        return Measured(count, {"count": count})

    return measure


MEASURES: Mapping[Signal, Callable[[Facts, RiskRules], Measured]] = {
    Signal.MANY_CLAIMS: _many_claims,
    Signal.MANY_ORDERS: _many_orders,
    Signal.SEVERAL: _several,
    Signal.MOST_OF_ORDER: _most_of_order,
    Signal.SLOW: _slow,
    Signal.LATE: _late,
    Signal.SEEN: _seen,
    Signal.REFUSED: _count("refused"),
    Signal.REFUNDED: _count("refunded"),
    Signal.SAME_PICTURE: _count("same_picture"),
    Signal.LIKE_PICTURE: _like_picture,
    Signal.LINKED: _count("linked"),
    Signal.SAME_CONTACT: _same_contact,
    Signal.SAME_PLACE: _same_place,
    Signal.OTHER_CONTACT: _other_contact,
    Signal.OTHERS_CODE: _count("others_codes"),
    Signal.STRAYS: _strays,
    Signal.WRONG_PROOFS: _wrong_proofs,
    Signal.DEAR: _dear,
    Signal.NEW_AND_DEAR: _new_and_dear,
    Signal.SECOND_ROUND: _second_round,
    Signal.HASTY: _hasty,
    Signal.BAD_BATCH: _bad_batch,
    Signal.HISTORY: _history,
}
