"""Follow-ups: "那多久到账", "then how long". What is short for more is read with what was spoken of last. Pure.

Related entries are preferred where the words fit one of them; a question that stands by itself is left as it is.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from faq.matcher import Candidate, Match
from faq.phrasing import Entry
from faq.text import essence, normalise

SHORT = 5  # units, see `_units`, of a message that may lean on the last one
FITS = 0.6  # the share of a follow-up's words that one phrasing of an entry must hold

_BEGINS = re.compile(
    r"^(?:那么|那就|那要是|那如果|那|然后|所以|这样的话|要是这样|接着)"
    r"|^(?:(?:ok|okay|alright|right)\s)?(?:and then|then|so|and|but|what about|how about|what if|in that case)\s"
)
_ENDS = re.compile(r"(?:呢|呀|啊|哦)+$")
_ASPECT = re.compile(  # a question that says nothing of what it is about
    r"(?:你们|我|它|这个|大概|一般|大约|还|要|需要|得|等|最快|到底)*(?:多久|多长时间|什么时候|啥时候|几时|几天|多少天)"
    r"(?:能|可以|才|会|到|收到|到账|好|有|发|给|回|处理|完|弄好|结果|答复|吗|啊|的)*"
    r"|(?:how long|how soon|how many days|when)(?: (?:does|do|will|would|can|is|it|that|this|i|you|take|takes|be|get"
    r"|arrive|come|usually|then|to|wait|have|done))*"
)
_WHAT_NEXT = re.compile(
    r"(?:我|该|应该|现在|接下来|下一步)*(?:怎么办|咋办|怎么弄|咋弄|怎么操作|怎么处理|咋整|做什么|干什么)(?:好|啊|呀|才好)*"
    r"|接下来|下一步|继续"
    r"|what (?:now|next|then|do i do|should i do|can i do)(?: now| next| then)?|now what|next|go on|how do i proceed"
)
_HAN = re.compile("[\u3400-\u9fff]")


def asks_what_next(text: str) -> bool:
    """Whether the message only asks how to go on: "那怎么办", "what now"."""
    return bool(_WHAT_NEXT.fullmatch(_core(text)))


def is_follow_up(text: str) -> bool:
    """Whether it begins like one or is too short to say everything."""
    return begins_like_one(text) or len(_units(_core(text))) <= SHORT


def begins_like_one(text: str) -> bool:
    return bool(_BEGINS.match(normalise(text)))


def resolve(match: Match, plain: Match, text: str, topic: Entry, related: Iterable[Entry]) -> Match:
    """The match of a follow-up to `topic`. `match` is that of the whole text, `plain` that of it without "那"."""
    near = {entry.key: entry for entry in (topic, *related)}
    for one in (plain, match):
        if one.outcome == "answer" and one.entry in near:
            return one
    sure = next((one for one in (match, plain) if one.outcome == "answer"), None)
    best, fit = _best(_core(text), near.values())
    offered = {candidate.entry for candidate in (*match.candidates, *plain.candidates)}
    is_elliptic = bool(_ASPECT.fullmatch(_core(text)))
    is_borne_out = begins_like_one(text) and fit == 1 and best in offered
    if best != topic.key and fit >= FITS and (sure is None or is_elliptic or is_borne_out):
        return _answer(match, best)
    return sure or _nearest_first(match, set(near))


def core_of(text: str) -> str:
    """The message without the word that ties it to the last one; all of it when nothing else is left."""
    return _core(text) or text


def _core(text: str) -> str:
    words = _BEGINS.sub("", normalise(text))
    return _ENDS.sub("", essence(words)).strip()


def _answer(match: Match, key: str) -> Match:
    others = tuple(candidate for candidate in match.candidates if candidate.entry != key)
    votes = next((candidate.votes for candidate in match.candidates if candidate.entry == key), {})
    best = Candidate(key, match.score, votes)
    return replace(match, outcome="answer", entry=key, candidates=(best, *others)[: max(3, len(others))])


def _nearest_first(match: Match, known: set[str]) -> Match:
    """Suggestions about what was spoken of stand before the others, and are worth making."""
    ordered = tuple(sorted(match.candidates, key=lambda candidate: candidate.entry not in known))
    is_near = bool(ordered) and ordered[0].entry in known
    return replace(match, candidates=ordered, outcome="suggest" if is_near else match.outcome)


def _best(core: str, entries: Iterable[Entry]) -> tuple[str, float]:
    """The first of the entries that the words fit best, and how well."""
    fits = [(entry.key, _fit(core, entry)) for entry in entries]
    return max(fits, key=lambda one: one[1])


def _fit(core: str, entry: Entry) -> float:
    """The share of the words that the best phrasing of this entry holds, 0..1."""
    units = _units(core)
    if not units:
        return 0.0
    texts = [phrasing.text for phrasing in entry.phrasings] + [text.question for text in entry.texts.values()]
    return max((len(units & _held(text)) / len(units) for text in texts), default=0.0)


@lru_cache(maxsize=20_000)  # the texts of the answers, which every follow-up is compared with
def _held(text: str) -> frozenset[str]:
    return frozenset(_units(normalise(text)))


def _units(plain: str) -> set[str]:
    """Latin words, and pairs of Chinese characters."""
    units: set[str] = set()
    for run in re.findall("[\u3400-\u9fff]+|[a-z0-9]+", plain):
        pairs = {run[at : at + 2] for at in range(len(run) - 1)} or {run}
        units |= pairs if _HAN.match(run) else {run}
    return units
