"""Recognises commands, order numbers, proofs, codes and reasons in buyers' words. Pure; nothing here looks anything up.

Whether a word is taken for an order number never depends on whether there is such an order: else the bot's next
question would tell strangers which orders exist.
"""

import re
import unicodedata

from bot.dialogue.acts import Act
from faq.slots import extract
from faq.text import essence, fold, is_chatter, normalise
from faq.text import language_of as matched_language
from tickets.tables import Reason

HIDDEN = "••••"
MOST_TYPED = 50  # codes that are read of one message

_CJK = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z0-9])")

_ZH_PERSON = "人工客服|真人客服|在线客服|人工服务|客服人员|人工|真人|活人|客服"
_EN_PERSON = "human|agent|person|operator|representative|real person|live agent|human agent|support agent"
_COMMANDS: tuple[tuple[Act, re.Pattern[str]], ...] = tuple(
    (act, re.compile(pattern))
    for act, pattern in (
        (
            Act.HUMAN,
            rf"(?:我|请|快|给|帮|能|可以|不能|要|想|需要|直接|马上)*(?:转接|转|找|叫|换|接|联系)?(?:个|一下|下|到|成)?(?:{_ZH_PERSON})"
            r"(?:吧|吗|呢|啊|处理|服务|谢谢)*"
            rf"|(?:(?:i|we|want|need|would|like|can|could|let|get|give|me|to|a|an|the|please|just|speak|talk|chat|with"
            rf"|connect|transfer|switch|some|any|real|live|now)\s)*(?:{_EN_PERSON})(?:\s(?:please|now|being|support))*",
        ),
        (
            Act.CANCEL,
            "取消|算了|不用了|不查了|不弄了|退出|返回|重新开始|重来"
            "|cancel|stop|quit|exit|never ?mind|start over|go back",
        ),
        (Act.FIND, "查我的订单|orders"),
        (Act.MENU, "菜单|主菜单|功能|帮助|开始|menu|help|start|home"),
        (
            Act.TICKETS,
            "(?:查看|查询|查一下|查|看看|看一下|看)?(?:一下)?(?:我的)?(?:工单|售后单)(?:状态|进度|列表|进展)?"
            "|(?:show |see |list )?(?:my )?tickets?(?: status)?",
        ),
        (
            Act.HURRY,
            "催单|我要催单|催一下|催一催|催催|加急|催促|帮我催一下"
            "|(?:搞|赶|尽|能)?快(?:一?点)?(?:儿|处理|回复|解决|弄|办)*(?:啊|呀|吧|吗|嘛|啦|好吗|行吗)*|赶紧的?(?:处理|回复|解决)?(?:啊|呀|吧)?"
            "|hurry(?: up)?|rush(?: it)?|quick(?:ly)?|faster|asap",
        ),
    )
)

_LABEL_ORDER = re.compile(
    r"(?:订单编号|订单号码|订单号|订单|单号|(?<![a-z])order(?:\s*(?:number|num|no\.?|id))?)\s*[#:：=]*\s*(?:是|为|is)?\s*",
    re.IGNORECASE,
)
_LABEL_PROOF = re.compile(
    r"(?:(?:查询密码|取卡密码|查单密码|查询码|密码|后六位|后6位|尾号)(?:\s*(?:是|为|[:：=]))*\s*"
    r"|(?<![a-z])(?:password|pwd|pass|last six|last 6|tail)\s*(?:is\b|[:=]|(?=\s+(?=\S*\d)\S{4}))[\s:=]*)"
    r"(?!(?:wrong|not|incorrect|invalid|lost|forgotten|required|what|it|the|a)\b)(?P<proof>[!-9;<>-~][!-~]{1,63})",
    re.IGNORECASE,
)
_NAMES = re.compile(
    r"订单编号|订单号码|订单号|订单|单号|查询密码|取卡密码|查单密码|查询码|密码|后六位|后6位|尾号|付款单号"
    r"|这是|我的|这个|就是|是|为|和|给你|在这"
    r"|\b(?:my|the|this|is|it|here|order|number|num|no|id|query|lookup|password|pwd|pass|last six|last 6|tail|and)\b"
)
_NONE = re.compile(
    "都不是|不是|都不对|不对|没有(?:我要的|我想问的|一个是)?|没一个是|以上都不是"
    "|none(?: of (?:these|those|them))?|neither|no|nope"
)
_YES = re.compile(
    "(?:好|好的|好吧|好滴|嗯|嗯嗯|恩|行|行吧|可以|可以了|知道了|明白|明白了|懂了|了解|收到|没事了?|没问题了?|解决了|搞定了?|再见|拜拜|ok|okay|okk|哈|哈哈)+"
    "|(?:ok|okay|yes|yep|yeah|fine|got it|i see|understood|all right|alright|great|cool|good|never mind|solved|done"
    "|(?:good ?)?bye|bye bye)"
    "(?: (?:ok|then|got it|great|good|thanks))*"
)
_THANKS = re.compile(
    "(?:(?:非常|十分|万分|太)?(?:感谢|谢谢|谢|多谢|辛苦)(?:你们?|您|了|啦|哈|啊|亲|老板|客服)*)+"
    "|(?:many |ok |great )*(?:thanks?|thank (?:you|u)|thx|ty|tks|cheers)(?: a lot| so much| very much| again)?"
)
_CALLS = re.compile("(?:你好|您好|亲|老板|客服|喂|hi|hello)* ?在(?:吗|么|嘛|不在|不|没)")
_BLANKED = re.compile(
    r"(?:订单(?:编号|号码|号)?|单号|\border(?: (?:number|no\.?))?)[#:：=是为\s]*\*{4}[-0-9A-Za-z]*[\s,，;；]*"
    rf"|(?:查询密码|取卡密码|查单密码|查询码|密码|尾号|\b(?:password|pass|pwd)\b)?\s*[:：=是为]*\s*{HIDDEN}[\s,，;；]*",
    re.IGNORECASE,
)
_SCORE = re.compile(
    r"(?:我)?(?:打|给|评)?(?:个)?(?:(?P<bare>[1-5])|(?P<figure>[1-5])\s*(?:分|星|颗星)|(?P<word>[一二三四五])\s*(?:分|星|颗星))(?:好评|吧|啦)*"
    r"|(?P<en>[1-5])\s*(?:stars?|points?|/ ?5|out of 5)"
)
_LABEL_CODE = re.compile(r"^(?:卡密|兑换码|激活码|卡号|code|key|是|is|[:：\s])+", re.IGNORECASE)
_BETWEEN = re.compile(r"[\n,，、;；]+")
_BAD = "用不了|不能用|不行|没用|不好用|无效|兑换不了|不可以|坏的|失败|报错|不对|有问题"
_ALL = re.compile(
    rf"(?:这)?(?:些)?(?:所有|全部|全都|全|都|每一?张|每个|通通|统统)(?:的|卡|卡密|码)*(?:都|全)?(?:是)?(?:{_BAD})?(?:了|的)?"
    rf"|(?:\d+|[两二三四五六七八九十]+)(?:张|个)(?:全|都|全都|全部)(?:都)?(?:{_BAD})?(?:了|的)?"
    r"|all(?: of (?:them|these|those))?(?: (?:do not|don't|dont|are) (?:work|bad|invalid))?"
    r"|every(?: single)? one|both(?: of them)?"
)
_FINISHED = re.compile(
    r"(?:好了|可以了|选好了|选完了|点完了|完成|完了|没有?了|没有?别的了?|没有?其他的?了?|就这些|就这"
    r"|就这(?:一|两|\d+)?(?:张|个)|只有(?:这|一)(?:张|个|些)?)(?:了|啦|吧)?"
    r"|done|finished|that'?s (?:all|it)|that is (?:all|it)|no more|nothing else"
    r"|(?:just|only) (?:this|these|that one)"
)
_MAIL = re.compile(
    r"(?:发|寄|用|要|给).{0,6}(?:验证码|邮件|邮箱)|(?:收到?|邮件|邮箱).{0,6}验证码"
    r"|(?:mail|send|get)(?: me| us)?(?: an?| the| another)?(?: new)? (?:code|e?-?mail)|code by e?-?mail"
)
_NO_PICTURE = re.compile(
    r"(?:没有?|没法|无法|不能|不会|发不了|忘了?|没来得及).{0,4}(?:截图|截屏|图片|照片|图)|截不了|发不了图"
    r"|(?:no|not have|don'?t have|can'?t|cannot|without).{0,16}(?:screenshot|picture|photo|image)"
)
_AGAIN = re.compile(
    rf"(?:还是|还|也|又|依然|仍然|照样)(?:是|都)?(?:{_BAD})|(?:新|补|换|重发|第二).{{0,6}}(?:也|还|又)?(?:{_BAD}|被用|被兑换|用过|不存在)"
    r"|(?:still|again|also).{0,24}(?:not work|n'?t work|invalid|fail|bad|used|wrong|no good)"
    r"|new (?:one|code|card).{0,20}(?:not|n'?t|fail|invalid|bad|used)"
)
_SPACED = re.compile(r"(?<![A-Za-z0-9-])[A-Z0-9]{4}(?: [A-Z0-9]{4}){2,5}(?![A-Za-z0-9-])")
# A whole message, or what is called an order number; in any case.
_GROUPS = re.compile(r"[A-Za-z0-9]{4}(?: [A-Za-z0-9]{4}){2,5}(?![A-Za-z0-9])")
_MIXED = re.compile(r"\d[A-Za-z]|[A-Za-z]\d")
_MIXED_16 = re.compile(r"(?<![A-Za-z0-9-])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{16}(?![A-Za-z0-9-])")
_DIGITS = re.compile(r"(?<!\d)\d{12,32}(?!\d)")

_REASONS: tuple[tuple[Reason, re.Pattern[str]], ...] = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        (
            Reason.ALREADY_USED,
            r"已(?:经)?(?:被)?(?:人)?(?:使用|兑换|激活|用)|被(?:别)?(?:人)?(?:用|兑换|使用|激活|刷)(?!户)|用过了?|兑换过|使用过"
            r"|(?:already|been)\s+(?:been\s+)?(?:used|redeemed|activated|claimed)",
        ),
        (Reason.NOT_ACTIVATED, r"未激活|没有?激活|未开卡|没开卡|not\s+(?:yet\s+|been\s+)?activated|inactive"),
        (
            Reason.DOES_NOT_EXIST,
            r"不存在|查无此|序列号错误|无此卡|没有这张卡|(?:code|key|card|it)?\s*(?:was\s+)?not\s+found"
            r"|do(?:es)?\s*n[o']?t\s+exist",
        ),
        (Reason.EXPIRED, r"(?<!质保)(?:已)?过期(?!订单)|过了有效期|expired"),
        (
            Reason.WRONG_VALUE,
            r"面值(?:不对|不符|错)|金额(?:不对|不符)|天数(?:不对|不够|少)"
            r"|wrong\s+(?:value|amount|duration)|less\s+(?:balance|value)",
        ),
        (Reason.WRONG_REGION, r"地区不|不支持.{0,4}地区|锁区|区域(?:不|限制)|region|not\s+available\s+in\s+my"),
        (Reason.WRONG_PRODUCT, r"发错|不是我买的|wrong\s+(?:item|product|platform|edition|game)"),
        (Reason.ACCOUNT_PROBLEM, r"登不上|登录不了|无法登录|被封|封号|改密|掉订阅|banned|suspended|log\s?in\s+fail"),
    )
)


def clean(text: str) -> str:
    """The text without what no person types: control characters, halves of surrogate pairs."""
    return _CONTROL.sub("", text).strip()


def find_command(text: str) -> Act | None:
    """The command that the whole message is."""
    if len(text) > 60:
        return None
    words = essence(text)
    return next((act for act, pattern in _COMMANDS if pattern.fullmatch(words)), None)


def find_reason(text: str) -> Reason | None:
    plain = unicodedata.normalize("NFKC", text)
    return next((reason for reason, pattern in _REASONS if pattern.search(plain)), None)


def what_is_wrong(stored: str, order: str = "") -> str:
    """The buyer's words as they are kept, without the proof hidden in them, and the masked number of their `order`."""
    words = _BLANKED.sub(" ", stored)
    return (words.replace(order, " ") if order else words).strip(" ,，;；")


def find_language(text: str, current: str) -> str:
    """The language of these words: Chinese when there is any, English when there are Latin words, else as before.

    One Latin word that might be typed pinyin changes nothing: hu-man is no reason to leave English. Nor do an order
    number in groups, or the "ok" and "thx" that Chinese buyers write as well.
    """
    plain = fold(text)
    if _CJK.search(plain):
        return "zh"
    words = _WORD.findall(extract(plain)[1])
    spoken = matched_language(plain)
    if _in_groups(plain.strip()) == plain.strip() or (len(words) < 3 and (acknowledges(plain) or gives_thanks(plain))):
        return current
    return current if not words or (len(words) == 1 and spoken == "zh") else spoken


def refuses_all(text: str) -> bool:
    """Whether it says that no suggestion fits."""
    return bool(_NONE.fullmatch(essence(text)))


def acknowledges(text: str) -> bool:
    """Whether it only says that one has understood."""
    return bool(_YES.fullmatch(essence(text)))


def gives_thanks(text: str) -> bool:
    """Whether it thanks, and says nothing else."""
    return bool(_THANKS.fullmatch(normalise(text)))


def calls(text: str) -> bool:
    """Whether it only asks if anybody is there, as Chinese buyers begin: 在吗."""
    return bool(_CALLS.fullmatch(normalise(text)))


def find_score(text: str) -> int | None:
    """The score from 1 to 5 that the whole message is."""
    found = _SCORE.fullmatch(fold(text).strip().lower()) if len(text) <= 20 else None
    given = next((group for group in found.groups() if group), None) if found else None
    return None if given is None else "一二三四五".find(given) + 1 or int(given)


def is_bare(text: str, order_no: str, proof: str | None) -> bool:
    """Whether an order number, its proof and their names are all there is."""
    plain = fold(text).replace(order_no, " ").replace(proof or " ", " ")
    return len(normalise(_NAMES.sub(" ", essence(plain)))) < 2


def has_words(text: str) -> bool:
    """Whether it speaks: Chinese, or at least two words."""
    return bool(_CJK.search(text)) or len(text.split()) > 1


def is_matter(text: str) -> bool:
    """Whether a stored message says what it is about, rather than greet, command, or give a number that is masked."""
    is_order_to_us = find_command(text) is not None or refuses_all(text) or acknowledges(text)
    return has_words(text) and not is_order_to_us and not is_chatter(text) and HIDDEN not in text


def find_order_no(text: str) -> str | None:
    """The order number in free words: named as one, or shaped like one. As typed, in plain width."""
    plain = fold(text)
    if (label := _LABEL_ORDER.search(plain)) and (named := _number_at(plain, label.end())):
        return named
    if _in_groups(plain.strip()) == plain.strip():
        return plain.strip()
    if spaced := _SPACED.search(plain):
        return spaced[0] if any(character.isdigit() for character in spaced[0]) else None
    slots, _ = extract(plain)
    shaped = [slot.value for slot in slots if slot.kind == "order"]
    found = _MIXED_16.search(plain) or _DIGITS.search(plain)
    return shaped[0] if shaped else found[0] if found else None


def find_given_order_no(text: str) -> str | None:
    """The order number in an answer to "which order?": whatever could be one."""
    if found := find_order_no(text):
        return found
    plain = _LABEL_ORDER.sub("", fold(text)).strip()
    if _CJK.search(plain):
        runs = [run for run in re.findall(r"[A-Za-z0-9_-]{5,64}", plain) if _could_be_number(run)]
        return runs[0] if len(runs) == 1 else None
    return plain if len(plain) <= 64 and _could_be_number(plain) else None


def find_proof(text: str, order_no: str) -> str | None:
    """The proof that came along with an order number: named as one, or the word right after it."""
    if named := find_named_proof(text):
        return named
    after = fold(text).partition(order_no)[2]
    beside = re.match(r"[\s,;/]+(?!\d{4}[-/.]\d)(?=[!-~]*\d)([!-~]{4,64})(?![!-~])", after)
    return beside[1] if beside else None


def find_named_proof(text: str) -> str | None:
    """What the buyer calls their password."""
    named = _LABEL_PROOF.search(fold(text))
    return named["proof"].rstrip(",.;") if named else None


def find_typed_proof(text: str) -> str | None:
    """The proof in an answer to "what is the password?"; None when these are words about something else."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if named := find_named_proof(text):
        return named
    if not _CJK.search(plain):
        words = plain.split()
        is_speech = len(words) > 2 and not any(character.isdigit() for character in plain)
        is_word = any(character.isalnum() for character in plain)
        return plain if is_word and not is_speech and len(plain) <= 128 else None
    runs = re.findall(r"[!-~]{4,64}", plain)
    return runs[0] if len(runs) == 1 else None


def find_typed_codes(text: str) -> tuple[tuple[str, ...], ...]:
    """What in an answer to "which code?" could be codes, each with the ways to read it, likeliest first.

    Several stand in lines of their own, or between commas; or one after another, where each has the shape of a code.
    """
    pieces = [piece for piece in _BETWEEN.split(text) if piece.strip()][:MOST_TYPED]
    shaped = [slot.value for slot in extract(text)[0] if slot.kind == "code"]
    if len(pieces) < 2 and len(shaped) > 1:
        pieces = shaped[:MOST_TYPED]
    found = [ways for piece in pieces if (ways := _ways_to_read(piece))]
    if len(pieces) > 1 and found:  # a card and its password may stand in two lines
        found[0] = tuple(dict.fromkeys((*found[0], fold(text).strip()[:200])))
    return tuple(dict.fromkeys(found))


def _ways_to_read(piece: str) -> tuple[str, ...]:
    slots, _ = extract(piece)
    found = [slot.value for slot in slots if slot.kind in ("code", "order", "number")]
    plain = _LABEL_CODE.sub("", fold(piece).strip())
    looks_made = any(character.isdigit() for character in plain) or (plain.isupper() and len(plain) > 7)
    is_speech = bool(_CJK.search(plain)) or not looks_made
    if not is_speech and len(plain) <= 200:
        found.insert(0, plain)
    return tuple(dict.fromkeys(found))[:4]


def means_all(text: str) -> bool:
    """Whether it says that every code is meant."""
    return bool(_ALL.fullmatch(essence(text)))


def is_finished(text: str) -> bool:
    """Whether it says that there are no others."""
    return bool(_FINISHED.fullmatch(essence(text)))


def asks_for_mail(text: str) -> bool:
    """Whether it asks for a code by mail, and gives none."""
    plain = fold(text).lower()
    return len(plain) <= 40 and not any(character.isdigit() for character in plain) and bool(_MAIL.search(plain))


def lacks_proof(text: str) -> bool:
    """Whether it says that there is no screenshot to send."""
    return bool(_NO_PICTURE.search(fold(text).lower()))


def fails_again(text: str) -> bool:
    """Whether it says that what was given in place of a bad code is bad as well."""
    return len(text) <= 60 and bool(_AGAIN.search(fold(text).lower()))


def _number_at(plain: str, start: int) -> str | None:
    """The number that follows its name: one run, or several short ones in capitals and digits."""
    spaced = re.compile(r"[A-Z0-9]{2,8}(?:[ -][A-Z0-9]{2,8}){1,7}(?![A-Za-z0-9])").match(plain, start)
    if spaced and sum(character.isalnum() for character in spaced[0]) >= 10 and re.search(r"\d", spaced[0]):
        return spaced[0]
    if grouped := _in_groups(plain, start):
        return grouped
    run = re.compile(r"[A-Za-z0-9_-]{6,64}").match(plain, start)
    return run[0] if run and _could_be_number(run[0]) else None


def _in_groups(plain: str, start: int = 0) -> str | None:
    """The number in groups that stands here, in any case: words of four letters have no digits among them."""
    found = _GROUPS.match(plain, start)
    return found[0] if found and _MIXED.search(found[0]) else None


def _could_be_number(text: str) -> bool:
    joined = re.sub(r"[\s_-]", "", text)
    if not joined.isalnum() or not 5 <= len(joined) <= 64:
        return False
    return any(character.isdigit() for character in joined) or (joined.isupper() and len(joined) >= 10)
