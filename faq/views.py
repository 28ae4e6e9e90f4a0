"""What each view sees: how near a query is to every indexed row by grams, sound, concepts, letters and meaning."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

from faq.axes import Axes, Meanings
from faq.encoder import WIDTH, Encoder, WordEncoder, knows_words
from faq.features import grams
from faq.inverted import Floats, InvertedIndex
from faq.spelling import Speller
from faq.syllables import sound
from faq.thesaurus import linked_concepts

BLOCK = 64  # queries that are compared at once
BEHIND = 0.25  # of the best by grams and sound; no letters of rows below that are compared
EXPECTED = 1500  # word pieces that the encoder prepares for
LETTERED = 100  # rows whose letters are compared: the best by grams and sound


@dataclass(frozen=True)
class Query:
    """A buyer's words, ready to be compared."""

    plain: str  # as typed, chatter off
    words: str  # with spelling put right
    vector: Floats | None  # the meaning of the whole, along the axes of the index
    sense: Floats | None  # the mean meaning of its word pieces, rare ones weighing more


@dataclass(frozen=True)
class Sight:
    """The nearness of a query to every row by each view; `sense` serves the head alone."""

    by: dict[str, Floats]
    sense: Floats | None


class Senses:
    """Mean meanings of word pieces, weighed by rarity in the index and freed from what all rows share."""

    def __init__(self, texts: Sequence[str], encoder: WordEncoder) -> None:
        pieces = [encoder.pieces(text) for text in texts]
        often = Counter(piece for row in pieces for piece in set(row))
        self._rare = {
            piece: float(np.log((1 + len(texts)) / (1 + count)) + 1) for piece, count in sorted(often.items())
        }
        self._unseen = float(np.log(1 + len(texts)) + 1)
        rows = np.empty((len(texts), WIDTH), np.float32)
        for row, found in zip(rows, pieces, strict=True):
            row[:] = self._sum(found, encoder)
        self._shared = rows.mean(0)
        rows -= self._shared
        rows /= _lengths(rows)[:, None]
        self._axes = Axes.of(rows)
        self.rows = self._axes.along(rows)

    def _sum(self, pieces: list[int], encoder: WordEncoder) -> Floats:
        if not pieces:
            pieces = [0]
        weights = np.array([self._rare.get(piece, self._unseen) for piece in pieces], np.float32)
        mean: Floats = weights @ encoder.meanings(pieces) / weights.sum()
        return mean

    def of(self, text: str, encoder: WordEncoder) -> Floats:
        """What one text is compared by."""
        own = self._sum(encoder.pieces(text), encoder) - self._shared
        return self._axes.along(own / _lengths(own[None]))

    def prepare(self, encoder: WordEncoder) -> None:
        """Lets the encoder expect the pieces that most rows are made of."""
        encoder.expect(sorted(self._rare, key=lambda piece: (self._rare[piece], piece))[:EXPECTED])


class Views:
    """The index of all rows. The encoder is handed in per call: a saved index holds none."""

    def __init__(self, texts: Sequence[str], spoken: int, encoder: Encoder | None, meanings: Meanings | None) -> None:
        self.texts = list(texts)
        self.speller = Speller(self.texts[:spoken])
        self.grams = InvertedIndex(grams(text) for text in texts)
        self.sound = InvertedIndex(grams(sound(text)) for text in texts)
        self.concepts = InvertedIndex(linked_concepts(text) for text in texts)
        self.meanings = meanings
        self.senses = Senses(texts, encoder) if knows_words(encoder) else None

    def prepare(self, encoder: Encoder | None) -> None:
        """Spares the first questions what they would have to wait for."""
        if self.senses and knows_words(encoder):
            self.senses.prepare(encoder)

    def query(self, plain: str, encoder: Encoder | None) -> Query:
        """A text as all views need it."""
        return self.queries([plain], encoder)[0]

    def queries(self, plain: Sequence[str], encoder: Encoder | None) -> list[Query]:
        """Several texts, encoded together."""
        known = encoder if knows_words(encoder) else None
        words = [self.speller.correct(text, known.knows) if known else self.speller.correct(text) for text in plain]
        along = self.meanings.axes.along if self.meanings else None
        vectors = list(along(encoder.encode(words))) if encoder and along else [None] * len(words)
        senses = [self.senses.of(text, known) if known and self.senses else None for text in words]
        return [Query(*parts) for parts in zip(plain, words, vectors, senses, strict=True)]

    def look(self, query: Query) -> Sight:
        """The nearness of every row."""
        return next(self.look_each([query]))

    def look_each(self, queries: Sequence[Query]) -> Iterator[Sight]:
        """The nearness of every row to each query."""
        for start in range(0, len(queries), BLOCK):
            block = queries[start : start + BLOCK]
            meanings = _products(self.meanings.rows if self.meanings else None, [query.vector for query in block])
            senses = _products(self.senses.rows if self.senses else None, [query.sense for query in block])
            for query, meaning, sense in zip(block, meanings, senses, strict=True):
                yield self._sight(query, meaning, sense)

    def _sight(self, query: Query, meaning: Floats | None, sense: Floats | None) -> Sight:
        by = {
            "grams": self.grams.scores(grams(query.words)),
            "sound": self.sound.scores(grams(sound(query.plain))),
            "concepts": self.concepts.scores(linked_concepts(query.words)),
        }
        by["letters"] = self._letters(query.words, by["grams"] + by["sound"])
        return Sight(by if meaning is None else {**by, "meaning": meaning}, sense)

    def _letters(self, words: str, likely: Floats) -> Floats:
        # Rows far behind the best are left out first: choosing among the few others costs next to nothing.
        rows = np.flatnonzero(likely >= BEHIND * likely.max())
        if len(rows) > LETTERED:
            rows = rows[np.argpartition(likely[rows], len(rows) - LETTERED)[-LETTERED:]]
        texts = [self.texts[row] for row in rows.tolist()]
        ratios = process.cdist([words], texts, scorer=fuzz.ratio, dtype=np.float32)[0]
        found = np.zeros(len(likely), np.float32)
        found[rows] = ratios / 100
        return found


def _products(rows: Floats | None, vectors: Sequence[Floats | None]) -> Sequence[Floats | None]:
    """The products of all rows with each vector, in one go: a matrix is read from memory but once."""
    seen = [vector for vector in vectors if vector is not None]
    if rows is None or not seen:
        return [None] * len(vectors)
    return [rows @ seen[0]] if len(seen) == 1 else list(np.stack(seen) @ rows.T)


def _lengths(rows: Floats) -> Floats:
    found: Floats = np.maximum(np.sqrt(np.einsum("ij,ij->i", rows, rows)), np.float32(1e-9))
    return found
