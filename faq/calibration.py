"""From evidence to a probability, and from the price of a wrong answer to the probability that an answer needs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faq.inverted import Floats

Doubles = npt.NDArray[np.float64]
SUGGEST_KEEP = 0.97  # share of in-scope questions with their entry on the shortlist that may not fall through
FEWEST = 20  # answers that a threshold must rest on
# Middle, spread and weight of each piece of evidence.
_COLD_MEANING = np.array([0.701, 0.144, 0, 0, 0.151, 0.165, 1, 1, 0.88, 2.01, 0, 0])
_COLD_LETTERS = np.array([0.638, 0.161, 0, 0.061, 0.192, 0.181, 1, 0.209, 0.76, 1.74, 0, 0.25])
_STIFFNESS = 1.0
_STEPS = 30


@dataclass(frozen=True)
class Price:
    """What a wrong answer costs: at most one in `wrong_in` answers may be wrong."""

    wrong_in: int = 50


@dataclass(frozen=True)
class Calibrator:
    """Logistic regression over standardised evidence."""

    middle: Doubles
    spread: Doubles
    weights: Doubles
    bias: float

    def probabilities(self, rows: Floats) -> Doubles:
        """The chance that each candidate is right."""
        slope = ((rows - self.middle) / self.spread) @ self.weights + self.bias
        found: Doubles = 1 / (1 + np.exp(-np.clip(slope, -30, 30)))
        return found


@dataclass(frozen=True)
class Thresholds:
    """From which probability on the matcher answers, and from which it suggests."""

    answer: float
    suggest: float


def cold_calibrator(with_meaning: bool) -> Calibrator:
    """The shipped one, for a shop with too few phrasings of its own.

    Fitted on the seed entries with three phrasings per language each and no head.
    """
    middle, spread, weights = (_COLD_MEANING if with_meaning else _COLD_LETTERS).reshape(3, -1)
    return Calibrator(middle, spread, weights, 0.5 if with_meaning else 0.36)


def cold_thresholds(price: Price) -> Thresholds:
    """Thresholds for the shipped calibrator, whose lesson was about ten times harder than what buyers ask."""
    answer = 1 - min(10 / price.wrong_in, 0.5)
    return Thresholds(answer, 0.15)


def fit(rows: Floats, right: npt.NDArray[np.bool_], weights: Doubles) -> Calibrator:
    """The calibrator that explains which candidates were right, by Newton's steps; small weights are preferred."""
    middle, spread = rows.mean(0, dtype=np.float64), np.maximum(rows.std(0, dtype=np.float64), 1e-6)
    standard = np.hstack([(rows - middle) / spread, np.ones((len(rows), 1))])
    weights = weights / weights.mean()
    solution = np.zeros(standard.shape[1])
    stiff = np.full(len(solution), _STIFFNESS)
    stiff[-1] = 1e-6
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(standard @ solution, -30, 30)))
        slope = standard.T @ (weights * (chance - right)) + stiff * solution
        curve = (standard * (weights * chance * (1 - chance))[:, None]).T @ standard + np.diag(stiff)
        step = np.linalg.solve(curve, slope)
        solution -= step
        if float(abs(step).max()) < 1e-6:
            break
    return Calibrator(middle, spread, solution[:-1], float(solution[-1]))


def thresholds(
    chances: Doubles, hits: npt.NDArray[np.bool_], reached: npt.NDArray[np.bool_], weights: Doubles, price: Price
) -> Thresholds:
    """The lowest answer threshold that keeps the price, and the suggest threshold below it.

    One item per question: the best candidate's chance, whether it was right, whether the right one was shortlisted.
    """
    order = np.argsort(-chances, kind="stable")
    chance, wrong, weight = chances[order], ~hits[order], weights[order]
    share = np.cumsum(weight * wrong) / np.maximum(np.cumsum(weight), 1e-12)
    kept = np.flatnonzero(share <= 1 / price.wrong_in)
    enough = len(kept) and kept[-1] + 1 >= min(FEWEST, len(chance))
    answer = float(chance[kept[-1]]) if enough else 1 - 1 / price.wrong_in
    wanted = np.sort(chances[reached])
    suggest = float(wanted[int((1 - SUGGEST_KEEP) * len(wanted))]) if len(wanted) else answer
    return Thresholds(answer, min(suggest, answer))
