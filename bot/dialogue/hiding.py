"""What may be kept of a buyer's words: no code, no proof, no order number that is not theirs. Pure.

`shop.masking` knows what looks like a code anywhere. Here more is known: what was asked for, and that shops sell codes
of any shape. Better a word too many than a code too few; amounts, dates, model names and short numbers stay.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.dialogue.plain_words import COMMON, is_name
from bot.dialogue.reading import HIDDEN
from shop.masking import DASHES, INVISIBLE, half_width, mask, mask_text, normalise_code

SHORTEST = 8  # characters of a code with letters in it
SHORTEST_ASKED = 5  # of a code or a number when one was asked for
SHORTEST_DIGITS = 6

_TOKEN = re.compile(f"\\*{{4}}(?:-[0-9A-Za-z]{{1,4}})?|{HIDDEN}|[0-9A-Za-z]+(?:[{DASHES}_]{{1,8}}[0-9A-Za-z]+)*")
_GAP = re.compile(
    r"[\s,，.。;；:：|/+、&()（）-]{0,8}"
    r"(?:(?:卡密|密码|口令|查询码|卡号|尾号|password|pass|pwd|pin|and|和|是|为|is)[\s:：是为=]{0,4}){0,3}",
    re.IGNORECASE,
)
_DATE = re.compile(
    rf"(?:19|20)\d\d[{DASHES}_]?(?:0?[1-9]|1[0-2])(?:[{DASHES}_]?(?:0[1-9]|[12]\d|3[01]|[1-9]))?(?:T\d\d)?"
)
_AMOUNT_BEFORE = re.compile(r"[¥￥$€£]\s?$")
_AMOUNT_AFTER = re.compile(
    r"(?:\.\d{1,2})?\s?(?:元|块|刀|美元|美金|人民币|rmb|cny|usdt|usd|dollars?|bucks)", re.IGNORECASE
)
_TICKET = re.compile(r"K-\d{6,}")
_WINDOWS_ERROR = re.compile(r"0x[0-9A-F]{4,8}", re.IGNORECASE)
_MEASURE = re.compile(
    r"\d{1,5}(?:gb|mb|tb|kb|mah|mhz|ghz|hz|fps|usd|rmb|cny|days?|months?|years?|hours?|mins?)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Known:
    """What decides on the words of one message."""

    own: frozenset[str] = frozenset()  # order numbers that were proved to be this buyer's
    order_no: str = ""  # what was taken for an order number
    codes: tuple[str, ...] = ()  # what was taken for a code
    secret: str = ""  # what was taken for a proof
    is_asked: bool = False  # a code or a number was asked for


def hide(text: str, known: Known) -> str:
    """The text without what is or may be a code, a proof or a foreign order number."""
    if known.secret:
        text = _replace(text, known.secret, HIDDEN)
    own = frozenset(map(normalise_code, known.own))
    taken = [one for one in (*known.codes, known.order_no) if one and normalise_code(one) not in own]
    if not known.is_asked:
        taken = [one for one in taken if not _is_name(one)]
    candidates = frozenset(map(normalise_code, taken))
    text = _hide_neighbours(text, known, own)
    text = mask_text(text, known.own | _names_in(text))
    text = _hide_tokens(text, known, own, candidates)
    for one in sorted(taken, key=len, reverse=True):
        if not _speaks(one):
            text = _replace(text, one, mask(one))
    return text


def hide_unknown(text: str, known_texts: Iterable[str]) -> str:
    """The text with every Latin or numeric word hidden that neither is a common one nor stands in `known_texts`."""
    allowed = COMMON | {word.lower() for one in known_texts for word in re.findall("[A-Za-z]+", one)}

    def judge(found: re.Match[str]) -> str:
        word = found[0].strip("'.,:;!?()\"").lower()
        parts = re.split("['/-]", word)
        return found[0] if len(word) < 3 or all(part in allowed or len(part) < 3 for part in parts) else HIDDEN

    return re.sub("[!-~]+", judge, half_width(re.sub(f"[{INVISIBLE}]+", "", text)))


def _hide_tokens(text: str, known: Known, own: frozenset[str], candidates: frozenset[str]) -> str:
    plain = half_width(text)
    pieces: list[str] = []
    end, secret_end = 0, -1  # where the last piece, and the last secret, ended
    for found in _TOKEN.finditer(plain):
        token = found[0]
        shown = token
        if token[0] in "*•" or normalise_code(token) in own:
            secret_end = found.end()
        elif _is_secret(plain, found, known.is_asked) or (normalise_code(token) in candidates and not _is_word(token)):
            shown, secret_end = mask(token), found.end()
        elif secret_end >= 0 and _GAP.fullmatch(plain, secret_end, found.start()) and _may_be_password(plain, found):
            shown, secret_end = HIDDEN, found.end()
        pieces += [text[end : found.start()], text[found.start() : found.end()] if shown == token else shown]
        end = found.end()
    return "".join([*pieces, text[end:]])


def _is_secret(plain: str, found: re.Match[str], is_asked: bool) -> bool:
    token = found[0]
    joined = "".join(filter(str.isalnum, token))
    if joined.isdigit():
        shortest = SHORTEST_ASKED if is_asked else SHORTEST_DIGITS
        return len(joined) >= shortest and not _DATE.fullmatch(token) and not _is_amount(plain, found)
    if _is_name(token) or _TICKET.fullmatch(token) or _WINDOWS_ERROR.fullmatch(token) or _MEASURE.fullmatch(token):
        return False
    if joined.isalpha():
        return _is_made_of_letters(token, joined)
    return len(joined) >= (SHORTEST_ASKED if is_asked else SHORTEST)


def _is_made_of_letters(token: str, joined: str) -> bool:
    if len(joined) < SHORTEST or _is_word(token):
        return False
    humps = len(re.findall("[a-z][A-Z]", token))
    return joined.isupper() or (humps >= 2 and joined == token)


def _may_be_password(plain: str, found: re.Match[str]) -> bool:
    """Whether a word beside a secret may belong to it."""
    token = found[0]
    if len(token) < 4 or token.isalpha() or _is_name(token) or _MEASURE.fullmatch(token):
        return False
    return not _DATE.fullmatch(token) and not _is_amount(plain, found) and _has_digit(token)


def _hide_neighbours(text: str, known: Known, own: frozenset[str]) -> str:
    """Hide the word after an order number, letters or not, and the one before it when there are but these two."""
    for number in {*known.own, known.order_no} - {""}:
        for found in _spelled(number).finditer(half_width(text)):
            text = _hide_word_after(text, found.end())
            before = re.fullmatch(r"\s*([!-~]{4,64})\s+", half_width(text[: found.start()]))
            if before and not text[found.end() :].strip() and not _is_common(before[1]):
                text = HIDDEN + text[before.end(1) :]
            break
    return text


def _hide_word_after(text: str, start: int) -> str:
    after = re.compile(r"[\s,，;；/|:：、]+([!-~]{4,64})(?![!-~])").match(half_width(text), start)
    if after is None or _is_common(after[1]) or _DATE.match(after[1]) or after[1][0] in "*¥$":
        return text
    return text[: after.start(1)] + HIDDEN + text[after.end(1) :]


def _is_common(word: str) -> bool:
    plain = word.strip(".,!?;:()'\"")
    parts = re.split("['/-]", plain.lower())
    return _is_name(plain) or all(part in COMMON or len(part) < 3 for part in parts)


def _names_in(text: str) -> frozenset[str]:
    return frozenset(found[0] for found in _TOKEN.finditer(half_width(text)) if _is_name(found[0]))


def _is_name(token: str) -> bool:
    return all(
        is_name(part) or part.lower() in COMMON or (part.isdigit() and len(part) <= 4 and number > 0)
        for number, part in enumerate(re.split(f"[{DASHES}_]+", token))
    )


def _is_word(token: str) -> bool:
    return all(part.lower() in COMMON for part in re.split(f"[{DASHES}_]+", token))


def _speaks(candidate: str) -> bool:
    """Whether what was taken for a code is a sentence, from which the scan has already taken what may be one."""
    words = re.findall("[A-Za-z]{2,}", candidate)
    return any(word.lower() in COMMON for word in words)


def _is_amount(plain: str, found: re.Match[str]) -> bool:
    if len(found[0]) > 7:
        return False
    before = plain[max(0, found.start() - 2) : found.start()]
    return bool(_AMOUNT_BEFORE.search(before) or _AMOUNT_AFTER.match(plain, found.end()))


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _spelled(value: str) -> re.Pattern[str]:
    """Finds a value however it is spaced and cased."""
    signs = [re.escape(sign) for sign in half_width(value) if not sign.isspace()][:200]
    return re.compile(f"[\\s{DASHES}]{{0,8}}".join(signs), re.IGNORECASE)


def _replace(text: str, value: str, by: str) -> str:
    pieces, end = [], 0
    if value.strip():
        for found in _spelled(value).finditer(half_width(text)):
            pieces += [text[end : found.start()], by]
            end = found.end()
    return "".join([*pieces, text[end:]])
