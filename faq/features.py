"""The terms that a normalised text is indexed by."""

import re

_pieces = re.compile("[a-z0-9]+|[^a-z0-9 ]+")


def grams(plain: str) -> list[str]:
    """Han: characters and pairs. Latin: words, pairs of words, and two to four letters within a word."""
    terms: list[str] = []
    before = ""
    for piece in _pieces.findall(plain):
        if piece[0].isascii():
            terms += _word(piece)
            terms.append(f"{before} {piece}")
            before = f" {piece}"
        else:
            terms += piece
            terms += [piece[place : place + 2] for place in range(len(piece) - 1)]
            before = piece[-1]
    return terms


def _word(word: str) -> list[str]:
    padded = f" {word} "
    return [padded] + [
        padded[place : place + size]
        for size in (2, 3, 4)
        for place in range(len(padded) - size + 1)
        if size < len(padded)
    ]
