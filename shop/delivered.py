"""What shops write where codes should be: one a line, or a sentence that says why there are none."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shop.masking import mask, normalise_code
from shop.port import CodeRef
from shop.vault import Vault

# Sentences of dujiaoka, acg-faka and kamiFaka, by the words that stay when an owner rewords the rest.
FAILURES = (
    "库存可使用卡密不足",
    "请联系管理员核查",
    "抢走了商品",
    "手工发货，请主动联系客服",
    "库存不足",
    "发货失败",
    "请联系客服",
)
VAGUE = frozenset({"请联系客服"})  # below codes this is advice
_LINE_END = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
# What editors of admin pages put around lines; a code may have any other sign in it.
_BREAK = re.compile(r"<(br|/?(p|div|li|tr|h[1-6]))(\s[^<>]*)?/?>", re.IGNORECASE)
_MARK = re.compile(r"</?(span|b|strong|i|em|u|s|a|font|code|pre|ul|ol|table|tbody|td|th)(\s[^<>]*)?>", re.IGNORECASE)
_NUMBER = re.compile(r"(卡号|[账帐]号|用户名|card|account|user(name)?)\s*[:：]", re.IGNORECASE)
_PASSWORD = re.compile(r"(卡密|密码|口令|password|pwd|pass|pin)\s*[:：]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The text of an order, read."""

    codes: tuple[str, ...] = field(default=(), repr=False)
    failure: str = ""  # the sentence that says that nothing was delivered


def read_delivered(text: str | None, failures: Iterable[str] = FAILURES) -> Delivered:
    """Its codes, in their order; none when it holds a failure sentence. A line of such words is never a code."""
    lines = lines_of(text or "")
    said = {line: [words for words in failures if words in line] for line in lines}
    codes = [line for line in lines if not said[line]]
    for line in lines:
        if said[line] and not (codes and VAGUE.issuperset(said[line])):
            return Delivered(failure=line)
    return Delivered(tuple(_join(codes)))


def lines_of(text: str) -> list[str]:
    """Those that hold anything, as a browser shows them where there is HTML in the text."""
    is_html = _BREAK.search(text) or _MARK.search(text) or "&nbsp;" in text
    plain = html.unescape(_MARK.sub("", _BREAK.sub("\n", text))) if is_html else text
    lines = (line.strip() for line in _LINE_END.split(plain))
    return [line for line in lines if normalise_code(line)]


def _join(lines: Sequence[str]) -> Iterable[str]:
    """A card's number and its password on a line each are one code."""
    number = ""
    for line in lines:
        if number and _PASSWORD.match(line):
            yield f"{number}\n{line}"
            number = ""
            continue
        if number:
            yield number
        number = line if _NUMBER.match(line) else ""
        if not number:
            yield line
    if number:
        yield number


def refer(vault: Vault, codes: Sequence[str], reusable: Iterable[str] = ()) -> tuple[CodeRef, ...]:
    """The codes of one order without their texts, numbered from 1; many orders may hold the `reusable` fingerprints."""
    loops, fingerprints = set(reusable), [vault.fingerprint(code) for code in codes]
    return tuple(
        CodeRef(fingerprint, mask(code), position, fingerprint in loops)
        for position, (code, fingerprint) in enumerate(zip(codes, fingerprints, strict=True), 1)
    )
