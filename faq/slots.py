"""What a message carries besides its question: order numbers, codes, links, e-mails, amounts, plain numbers.

The kind is the likelier reading by form alone; only a look-up decides whether a token is an order or a code.
"""

import re
from dataclasses import dataclass
from typing import Literal

from faq import chatter
from faq.text import MAX_LENGTH, fold, normalise

SlotKind = Literal["order", "code", "url", "email", "amount", "number"]
Kind = Literal["question", "code", "order", "number", "abuse", "empty", "chat"]


@dataclass(frozen=True)
class Slot:
    """One value, spelled as it was sent but in plain width and without spaces."""

    kind: SlotKind
    value: str


_edge, _end = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_PATTERNS: tuple[tuple[SlotKind, re.Pattern[str]], ...] = (
    ("email", re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}")),
    (
        "url",
        re.compile(
            r"(?:https?://|www\.)[^\s\u4e00-\u9fff，。！？]+"
            rf"|{_edge}[A-Za-z0-9-]{{1,63}}\.(?:com|cn|net|org|shop|top|xyz|vip|io|cc|me|store)(?:/[\w./?=&%-]*)?{_end}",
            re.I,
        ),
    ),
    (
        "order",
        re.compile(
            rf"{_edge}(?:D[JN]\d{{10,24}}|kfk[0-9a-f]{{10,20}}|API\d{{14,24}}|\d{{14}}[A-Za-z0-9]{{5}}|\d{{17,24}}"
            # Of random numbers of sixteen letters and digits one in 180 has no digit; words as long are rarer still.
            rf"|(?=\d*[A-Z])[A-Z0-9]{{16}}|(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{{11}}){_end}"
        ),
    ),
    ("order", re.compile(rf"{_edge}(?:\d{{4}}[ -]){{3,5}}\d{{1,6}}{_end}")),
    ("code", re.compile(rf"{_edge}(?:[A-Z0-9]{{3,8}}-){{2,7}}[A-Z0-9]{{3,12}}{_end}")),
    (
        "code",
        re.compile(
            rf"{_edge}(?=[A-Za-z0-9-]*\d)(?=[A-Za-z0-9-]*[A-Za-z])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?<=[A-Za-z0-9-]{{8}}){_end}"
        ),
    ),
    (
        "amount",
        re.compile(
            r"[¥$€£]\s?\d+(?:[.,]\d+)*|(?<![A-Za-z0-9.])\d+(?:\.\d+)?\s?(?:元|块钱|块|rmb|usdt|usd|美元|美金|刀|dollars?|bucks)(?![a-z])",
            re.I,
        ),
    ),
    ("number", re.compile(rf"{_edge}\d(?:[ -]?\d){{5,}}{_end}")),
)
_LABELS = re.compile(
    "订单编号|订单号码|订单号|订单|单号|流水号|交易号|编号|卡密|卡号|密码|兑换码|激活码|验证码|邮箱|链接|商品|金额|号码|账号|我的|这个|这是|那个|就是|是|为|在这|看"
    "|order number|order no|order id|order|number|code|key|card|email|link|my|this|is|the|here|it|id|no"
)
_SWEARING = re.compile(
    r"傻[逼比b叉吊屌]|煞笔|沙比|沙雕|[草操艹日干]你[妈娘大爷]*|[他你特]妈[的]?|妈[的逼]|尼玛|你大爷|泥马|草泥马|卧槽|我[操草艹靠]|去死|滚蛋|滚|王八蛋|混蛋|狗东西|狗日的|畜生"
    r"|脑残|智障|弱智|白痴|废物|贱人|孙子|垃圾(?![箱邮件])|(?<![a-z])(?:sb|tmd|nmsl|cnm|nmb|mlgb|wcnm|wtf|stfu|fuck\w*|fck|shit\w*|bullshit|bitch\w*|asshole\w*|idiots?|morons?|stupid|dumb\w*|bastards?|damn|crap|suckers?|sucks?)(?![a-z])"
)
_AIMED = re.compile(
    "你们|你|他们|这|那|什么|真|就|是|都|一群|个|全家|的|了|店|客服|平台|机器人"
    r"|(?<![a-z])(?:you|u|are|a|an|this|your|is|the|shop|store|site|bot|of|such|what|off|all|guys|people|it)(?![a-z])"
)

# What messengers write in the place of what is no text.
_ATTACHED = re.compile(
    r"[\[【(](?:图片|照片|语音|视频|表情|动画表情|文件|位置|链接|红包|photo|picture|image|voice|video|sticker|gif|file|audio|location)[\]】)]",
    re.I,
)
_MASHED = re.compile(r"(?:(?:[a-z]|[b-df-hj-np-tv-xz]{4,}|asdf\w*|qwer\w*|zxcv\w*)(?: |$))+")


def extract(text: str) -> tuple[tuple[Slot, ...], str]:
    """The slots in order of appearance, and the text with a space in the place of each."""
    rest = fold(text[:MAX_LENGTH])[:MAX_LENGTH]  # the patterns' work grows with the square of it
    found: list[tuple[int, Slot]] = []
    for kind, pattern in _PATTERNS:
        for hit in pattern.finditer(rest):
            value = hit.group() if kind in ("url", "amount") else re.sub(r"\s", "", hit.group())
            found.append((hit.start(), Slot(kind, value.strip())))
        # The same length, so that the places of later finds stay comparable.
        rest = pattern.sub(lambda hit: " " * len(hit.group()), rest)
    return tuple(slot for _, slot in sorted(found, key=lambda item: item[0])), rest


def swears(plain: str) -> bool:
    """Whether a normalised text holds a swear word."""
    return bool(_SWEARING.search(plain))


def without_swearing(plain: str) -> str:
    """A normalised text without its swear words; all of it when nothing but they is left."""
    return normalise(_SWEARING.sub(" ", plain)) or plain


def kind_of(slots: tuple[Slot, ...], rest: str) -> Kind:
    """What a message is before any matching; only a `question` is worth comparing with entries."""
    plain = normalise(_ATTACHED.sub(" ", rest))
    asked = chatter.strip(plain)
    if slots and not chatter.strip(normalise(_LABELS.sub(" ", asked))):
        return _bare(slots)
    if not plain or _MASHED.fullmatch(plain):
        return "empty"
    if not asked:
        return "chat"
    if swears(asked) and len(normalise(_AIMED.sub(" ", _SWEARING.sub(" ", asked)))) < 2:
        return "abuse"
    return "number" if asked.replace(" ", "").isdigit() else "question"


def _bare(slots: tuple[Slot, ...]) -> Kind:
    kinds = {slot.kind for slot in slots}
    if "order" in kinds:
        return "order"
    return "code" if "code" in kinds else "number"
