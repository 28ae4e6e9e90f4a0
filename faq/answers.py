"""The answers that the bot gives now: published entries and the matcher built from them, swapped together."""

from collections.abc import Callable, Hashable, Iterable

from faq.errors import UnknownEntry
from faq.matcher import Match, Matcher
from faq.phrasing import Entry

REMEMBERED = 5_000  # texts


class KnownAnswers:
    """What the dialogue asks. A rebuild happens elsewhere; `swap` is the moment it takes effect."""

    def __init__(self, entries: Iterable[Entry], matcher: Matcher) -> None:
        self.swap(entries, matcher)

    def swap(self, entries: Iterable[Entry], matcher: Matcher) -> None:
        known: dict[Hashable, tuple[Match, ...]] = {}
        self._now = ({entry.key: entry for entry in entries}, matcher, known)  # at once: no reader sees half of it

    def match(self, text: str, language: str | None = None) -> Match:
        (found,) = self._recall((text, language), lambda matcher: (matcher.match(text, language),))
        return found

    def match_all(self, text: str) -> tuple[Match, ...]:
        """One match per question in the message."""
        return self._recall(text, lambda matcher: matcher.match_all(text))

    def _recall(self, asked: Hashable, ask: Callable[[Matcher], tuple[Match, ...]]) -> tuple[Match, ...]:
        """Many buyers use the same words: what thousands of texts mean is remembered."""
        _, matcher, known = self._now
        found = known.get(asked)
        if found is None:
            found = ask(matcher)
            if len(known) >= REMEMBERED:
                known.clear()
            if not any(one.slots for one in found):  # words with a number or a code are one buyer's alone
                known[asked] = found
        return found

    def get(self, key: str) -> Entry:
        try:
            return self._now[0][key]
        except KeyError:
            raise UnknownEntry(key=key) from None

    @staticmethod
    def fill(answer: str, **variables: object) -> str:
        """The answer with its `{variables}` filled; an unknown one stays as it stands, since owners write answers."""
        for name, value in variables.items():
            answer = answer.replace(f"{{{name}}}", str(value))
        return answer
