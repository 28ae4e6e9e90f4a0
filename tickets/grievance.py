"""Words after which only a person should answer: the law, complaints, payment disputes, and anger. One list, pure.

The bot reads it to call a person, the desk to raise a ticket to the leads. A neutral question ("你们是骗子吧", "what is
a chargeback") is no grievance; the consumer hotline 12315 always is one.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

from faq.text import fold, normalise


class Grievance(StrEnum):
    """Why a person is called; the gravest first."""

    LEGAL = "legal"  # courts, lawyers, police, the consumer hotline
    DISPUTE = "dispute"  # the payment is being taken back
    COMPLAINT = "complaint"  # platforms, authorities, the public; and the owner's own words
    ANGER = "anger"


def _any(*patterns: str) -> re.Pattern[str]:
    # In ASCII mode a Latin word ends where Chinese begins: "信用卡chargeback了".
    return re.compile("|".join(patterns), re.IGNORECASE | re.ASCII)


_HOTLINE = re.compile(r"(?<![A-Za-z0-9])(?:12315|12345)(?![A-Za-z0-9])")
_WORDS = {
    Grievance.LEGAL: _any(
        r"起诉|法院见|法院传票|打官司|律师函|(?:找|请|我)的?律师|走法律|法律(?:途径|程序|责任)",
        r"(?<![广报转])告(?:你们|死你|上法|到法)|(?:去|就|要)告你",
        r"报了?警|报公安|派出所|网警|消协|消费者协会|工商(?!银行|行|[储卡])|市场监管|市监局|市场监督",
        r"\b(?:sue|suing|lawsuit|lawyers?|attorneys?|solicitors?|legal action|small claims|see you in court)\b",
        r"\b(?:to|call(?:ing|ed)?) the (?:police|cops)\b|\bpolice report\b",
        r"\b(?:consumer protection|trading standards|the authorities)\b",
    ),
    Grievance.DISPUTE: _any(
        r"拒付|支付争议|交易纠纷|(?:提交|发起|申请)了?争议|争议(?:已|提交|申请)|撤销付款|强制退款",
        r"(?:paypal|stripe|信用卡|支付宝|微信).{0,4}(?:争议|纠纷)",
        r"\bcharge ?-?backs?\b|\bdisput(?:e|ing|ed) (?:the |this |my )?(?:payment|charge|transaction|order|it)\b",
        r"\b(?:paypal|stripe|bank|visa) (?:case|dispute|claim)\b|\breverse (?:it|the (?:payment|charge))\b",
    ),
    Grievance.COMPLAINT: _any(
        r"投诉|举报|曝光|维权|让.{0,4}避雷|315晚会|工信部|网信办",
        r"\breport(?:ing)? (?:you|(?:this|your) (?:shop|site|store))\b|\bexpose you\b|\bbetter business bureau\b",
        r"\b(?:file|filing|filed|make|lodge) (?:a |an |this )?(?:official |formal )?complaint\b",
        r"\bcomplaint (?:submitted|filed|incoming)\b",
    ),
    Grievance.ANGER: _any(
        r"气死|太过分|忍无可忍|欺人太甚|无耻|不要脸|黑心|无良|丧良心|还我(?:血汗)?钱|骗我的?钱",
        r"(?:就是|都是|一群|一帮|大|死|臭|老|狗)骗子|骗子[!！]|^(?:骗子[\s!！,，.。~～]*)+$",
        r"骗子.{0,8}(?:退钱|还钱|赔钱|还我|滚)|(?:退钱|还钱|赔钱).{0,8}骗子",
        r"\byou(?: guys| people)?(?: \w+)? (?:scammed|robbed|cheated|ripped) (?:me|off)\b",
        r"\b(?:scam(?:mers?)?|fraud(?:sters?)?|thief|thieves)\s*!+",
        r"\b(?:you(?: guys| all)?(?: are|'re|re)|bunch of|fucking|bloody)(?: all| just| a bunch of| fucking| bloody)*"
        r" (?:scammers?|thieves|crooks|frauds?)\b",
        r"\bthis is (?:a |such a )?(?:complete |total |fucking )?(?:scam|fraud)\b",
        r"\b(?:furious|outrageous|disgusting)\b|\b(?:fed up|sick) (?:with|of) (?:you|this|your)\b",
        r"\b(?:scam|thie(?:f|ves)|fraud|stole).{0,40}(?:money back|refund me)",
        r"(?:money back|refund me).{0,40}\b(?:scam|thie(?:f|ves)|fraud)",
    ),
}
# Somebody wonders, speaks of others, or rules it out.
_NEUTRAL = _any(
    r"(?:不|不是|没|没有|没想|不想|不会|不打算|无意)(?:要|想|打算)?去?(?:投诉|举报|报警|起诉|曝光|维权)",
    r"(?:要不要|需不需要|用不用|该不该|应不应该|会不会|怕|担心)[被人]*(?:投诉|举报|报警|起诉|拒付|曝光)",
    r"被(?:别|他)?人?(?:投诉|举报|起诉|拒付|曝光)|(?:软件|浏览器|系统|手机)报警",
    r"投诉的?(?:结果|进度|进展|单)",
    r"(?:投诉|举报|拒付|起诉|报警|律师函|维权)(?:是什么|什么意思|是啥|有用吗|有没有用)|律师事务所|律师证",
    r"\b(?:what(?:'?s| is| are| does)|is there|do (?:you|i)|should i|how do(?:es)?)\b[^.!]*"
    r"\b(?:charge ?-?backs?|disputes?|lawyers?|lawsuit|police|sued?|consumer protection)\b",
    r"\b(?:not|never|don'?t (?:want|plan|mean) to|won'?t) (?:going to |gonna )?(?:sue|dispute|complain|report|file)\b",
)
# A doubt, as long as nothing is demanded.
_DOUBT = _any(
    r"[?？]|吗|吧|嘛|么$|是不是|会不会|该不会|怎么证明|担心|有点怕|怎么分辨|怎么辨别|假客服",
    r"^(?:are|is|do|does|how|can)\b|\bi think\b|\bmaybe\b|\bafraid\b",
)
_DEMAND = _any(r"退钱|还钱|赔钱|还我|滚|money back|refund me|(?:scammed|robbed|cheated) me")


def find_grievance(text: str, words: Iterable[str] = ()) -> Grievance | None:
    """Why a person should answer this at once, if they should. `words` are the owner's, beside the known ones."""
    # Traditional characters are simplified where they are compared, but a question mark counts too.
    spellings = (fold(text),) if text.isascii() else (fold(text), normalise(text))

    def holds(pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(spelling) for spelling in spellings)

    if holds(_HOTLINE):
        return Grievance.LEGAL
    if holds(_NEUTRAL):
        return None
    own = any(_spells(spelling, word) for word in words for spelling in spellings)
    found = next((grievance for grievance, pattern in _WORDS.items() if holds(pattern)), None)
    if own and found in (None, Grievance.ANGER):
        return Grievance.COMPLAINT
    is_doubt = found == Grievance.ANGER and holds(_DOUBT) and not holds(_DEMAND)
    return None if is_doubt else found


def _spells(text: str, word: str) -> bool:
    """Whether a word of the owner's stands in `text`; a Latin one only as a word of its own."""
    if word.isascii():
        return bool(re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text, re.IGNORECASE))
    return normalise(word) in text
