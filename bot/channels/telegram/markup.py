"""Texts as Telegram takes them: in parts that fit, and what stands in `backticks` as code that a press copies. Pure."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape

from bot.channels.botapi.lengths import TEXT_LIMIT, width

_CODE = re.compile(r"(?<!`)`([^`\n]{1,200})`(?!`)")
_TAGS = len("<code></code>")
_ZWJ, _FLAGS, _SKINS = "\u200d", range(0x1F1E6, 0x1F200), range(0x1F3FB, 0x1F400)


@dataclass(frozen=True, slots=True)
class Part:
    """One message's worth. Without markup, `html` is None; `text` is what is shown either way."""

    text: str
    html: str | None = None


def parts(text: str, limit: int = TEXT_LIMIT, first: int | None = None) -> list[Part]:
    """The text in messages that fit, its HTML too; together they show all of it. Cut where it hurts least.

    `first` is the limit of the first of them, where it is another.
    """
    shown, spans = _read(text)
    limits = (limit if first is None else first, limit)
    if not spans and width(shown) <= limits[0]:
        return [Part(shown)]
    found = [_part(shown, spans, *cut) for cut in _cuts(shown, spans, limits) if shown[slice(*cut)].strip()]
    return found or [Part(shown[:limit])]  # nothing but blanks, which Telegram refuses: it says so


def _read(text: str) -> tuple[str, list[range]]:
    """What is shown, and where in it code stands."""
    shown, spans, end = "", [], 0
    for found in _CODE.finditer(text):
        shown += text[end : found.start()]
        spans.append(range(len(shown), len(shown) + len(found[1])))
        shown += found[1]
        end = found.end()
    return shown + text[end:], spans


def _part(shown: str, spans: list[range], start: int, end: int) -> Part:
    inside = [range(max(start, span.start), min(end, span.stop)) for span in spans]
    inside = [span for span in inside if span]
    if not inside:
        return Part(shown[start:end])
    html, at = "", start
    for span in inside:
        html += f"{_escaped(shown[at : span.start])}<code>{_escaped(shown[span.start : span.stop])}</code>"
        at = span.stop
    return Part(shown[start:end], html + _escaped(shown[at:end]))


def _cuts(shown: str, spans: list[range], limits: tuple[int, int]) -> Iterator[tuple[int, int]]:
    coded = {place: span for span in spans for place in span}
    start = 0
    while start < len(shown):
        end = _reach(shown, coded, start, limits[start > 0])
        if end < len(shown):
            end = _best_cut(shown, coded, start, end)
        yield start, end
        start = end


def _reach(shown: str, coded: dict[int, range], start: int, limit: int) -> int:
    """How far a part from `start` may go; at least one character, whatever the limit."""
    size = 0
    for place in range(start, len(shown)):
        size += width(_escaped(shown[place])) if coded else width(shown[place])
        if place in coded and (place == start or coded.get(place - 1) is not coded[place]):
            size += _TAGS
        if size > limit and place > start:
            return place
    return len(shown)


def _best_cut(shown: str, coded: dict[int, range], start: int, end: int) -> int:
    """Behind a line or a word, before code, or at least between two characters as people see them."""
    behind = range(end, start + (end - start) // 2, -1)
    good: tuple[Callable[[int], bool], ...] = (
        lambda cut: shown[cut - 1] == "\n",
        lambda cut: shown[cut - 1].isspace() and cut - 1 not in coded,
        lambda cut: cut in coded and coded.get(cut - 1) is not coded[cut],
        lambda cut: True,
    )
    for is_good in good:
        if cut := next((cut for cut in behind if is_good(cut) and not _is_joined(shown, cut)), 0):
            return cut
    return end  # one character of thousands of marks: it is cut somewhere


def _is_joined(shown: str, cut: int) -> bool:
    """Whether a cut would go through what is seen as one character: an accent, a flag, a family."""
    before, behind = shown[cut - 1], shown[cut]
    if _ZWJ in (before, behind) or before + behind == "\r\n" or unicodedata.category(behind) in ("Mn", "Me", "Mc"):
        return True
    if ord(behind) in _SKINS or 0xE0020 <= ord(behind) < 0xE0080:  # the colour of a skin, the letters of a flag
        return True
    if ord(before) in _FLAGS and ord(behind) in _FLAGS:
        first = cut - 1
        while first > 0 and ord(shown[first - 1]) in _FLAGS:
            first -= 1
        return (cut - first) % 2 == 1
    return False


def _escaped(text: str) -> str:
    return escape(text, quote=False)
