"""How a typed code compares with those that an order delivered: exact, a typing error away, or not of this order."""

from collections.abc import Hashable, Iterable
from typing import TypeVar

from rapidfuzz.distance import Levenshtein

from shop.masking import normalise_code, parts_of
from shop.port import CodeCheck, CodeRef, Verdict

NEAR = 2  # edits that still are a typing error
SHORTEST_NEAR = 8  # characters; below that, two edits make another code
Name = TypeVar("Name", bound=Hashable)
_LOOK_ALIKES = str.maketrans("OILBSZ", "011852")


def compare(typed: str, delivered: Iterable[tuple[CodeRef, str]]) -> CodeCheck:
    """The verdict on what a buyer typed, given the codes of one order and their texts.

    Of "card number----password" the whole line or either part is exact: buyers copy what the page asked them for.
    """
    known = list(delivered)
    for ref, text in known:
        if normalise_code(typed) in map(normalise_code, (text, *parts_of(text))):
            return CodeCheck(Verdict.EXACT, ref)
    nearest = find_near(typed, {position: text for position, (_, text) in enumerate(known)})
    return CodeCheck(Verdict.OTHER) if nearest is None else CodeCheck(Verdict.NEAR, known[nearest][0])


def find_near(typed: str, texts: dict[Name, str]) -> Name | None:
    """Whose text is at most `NEAR` edits away from the typed one, the nearest first."""
    folded = _fold(typed)
    if len(folded) < SHORTEST_NEAR:
        return None
    distances = {
        name: min(Levenshtein.distance(folded, _fold(part), score_cutoff=NEAR) for part in (text, *parts_of(text)))
        for name, text in texts.items()
    }
    nearest = min(distances, key=distances.__getitem__, default=None)
    return nearest if nearest is not None and distances[nearest] <= NEAR else None


def _fold(code: str) -> str:
    """What is left of a code when look-alikes are the same: O 0, I L 1, B 8, S 5, Z 2."""
    return normalise_code(code).translate(_LOOK_ALIKES)
