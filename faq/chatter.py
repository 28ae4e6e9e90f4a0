"""Words that greet, soften and thank. They stand around a question and say nothing about it."""

import re
from functools import lru_cache

_ZH_BEFORE = """
你好 您好 你们好 大家好 哈喽 哈啰 哈罗 嗨 嘿 喂 早上好 上午好 中午好 下午好 晚上好 早安 晚安 早 在吗 在么
在不在 在嘛 在不 在没 在 有人吗 有人在吗 有人么 有人没 有没有人 亲亲 亲爱的 亲 宝 宝子 宝贝 老板娘 老板 老铁
兄弟 哥们 大哥 大佬 大神 小哥哥 小姐姐 小哥 师傅 美女 帅哥 掌柜的 掌柜 店家 卖家 商家 各位 请问一下 请问下
请问 请教一下 请教下 请教 问一下 问下 问个问题 问一句 问个事 想问一下 想问下 想问问 想问 我想问一下 我想问下
我想问问 我想问 我问一下 我问下 想咨询一下 想咨询下 想咨询 咨询一下 咨询下 咨询个问题 我想咨询一下
我想咨询下 我想咨询 我咨询一下 想了解一下 想了解下 我想了解一下 我想了解下 想知道 我想知道 打扰一下 打扰了
打扰下 打扰 不好意思 抱歉 那个 那啥 就是 就是说 就是想问 话说 额 呃 嗯 嗯嗯 哦 噢 诶 哎 唉 哎呀 啊 麻烦你
麻烦您 麻烦 劳驾 求助 求问 求教 求 弱弱的问一句 弱弱问一句 帮忙看下 帮忙看看 帮我看下 帮我看看 帮忙 帮帮忙
急急急 急 很急 特别急 着急 客服你好 客服您好 客服在吗 客服在不在 人呢 出来 快出来 听我说 我说 是这样的
情况是这样的 事情是这样的 有个问题 有个事 有件事 有点事 我有个问题 请 能不能告诉我 可以告诉我 告诉我
谁能告诉我 有谁知道
"""
_ZH_AFTER = """
谢谢 谢谢你 谢谢您 谢谢了 谢谢啦 谢啦 谢了 多谢 感谢 万分感谢 非常感谢 十分感谢 感激不尽 拜托 拜托了 拜托啦
辛苦 辛苦了 麻烦了 麻烦你了 麻烦您了 麻烦啦 麻烦 劳驾 打扰了 在线等 急 急急急 很急 挺急的 急用 着急 在线等急
在线等挺急的 求回复 求解答 求解 求助 求告知 望回复 盼回复 等回复 请回复 请回答 速回 速度 快点 快点回 回我
回一下 回复我 回复一下 亲 亲亲 宝 老板 老铁 兄弟 哥 大哥 大佬 客服 啊 呀 哦 噢 喔 呐 哈 嘞 咧 哟 呗 啦 诶 哎
唉 呜 呜呜 嘿嘿 哈哈 嘻嘻 好吗 好嘛 行吗 可以吗 好不好 行不行 了解一下 一下下 呵呵
"""
_EN_BEFORE = """
hi|hello|hey|hiya|yo|helo|hallo|good morning|good afternoon|good evening|good day|greetings|hi there|
hello there|hey there|dear|dear sir|dear team|dear support|sir|madam|mate|bro|dude|guys|team|support|friend|
my friend|folks|everyone|excuse me|sorry|sorry to bother you|sorry to bother|pls|plz|please|kindly|
quick question|a quick question|just a quick question|i have a question|i have a quick question|
got a question|question|one question|may i ask|can i ask|could i ask|can i just ask|i want to ask|
i wanted to ask|i wanna ask|i would like to ask|id like to ask|just wondering|i was wondering|i am wondering|
im wondering|wondering|i would like to know|id like to know|i want to know|i wanna know|i need to know|
just want to know|can you tell me|could you tell me|can u tell me|would you tell me|can you please tell me|
could you please tell me|please tell me|tell me|do you know|anyone there|anybody there|is anyone there|
is anybody there|are you there|you there|so|well|ok|okay|um|uh|uhm|umm|ah|oh|hmm|by the way|btw|look|listen|
urgent|help|help me|help please|please help|please help me
"""
_EN_AFTER = """
please|pls|plz|thanks|thank you|thank u|thx|ty|tia|tks|cheers|thanks in advance|thank you in advance|
many thanks|thanks a lot|thank you so much|thank you very much|much appreciated|appreciated|appreciate it|
sir|madam|mate|bro|dude|man|guys|friend|my friend|buddy|asap|urgent|urgently|help|help me|help please|
please help|please help me|pls help|plz help|lol|haha|hehe|regards|best regards|kind regards|have a nice day|
have a good day|anyone there|anybody there|you there|ok|okay
"""
CONNECTIVES = re.compile(
    r"[,，、\s]*(?:另外|还有(?:一个|个|就是)?(?=[,，:：\s])|还有一个问题|还有个问题|顺便(?:再)?问(?:一下|下)?|再问(?:一下|下|个)|对了[,，\s]|此外"
    r"|\b(?:also|btw|by the way|another thing|one more thing|one more question|another question)\b)[,，、:：\s]*",
    re.IGNORECASE,
)


def _longest_first(words: list[str]) -> str:
    return "|".join(map(re.escape, sorted(set(filter(None, words)), key=lambda word: (-len(word), word))))


def _english(block: str) -> str:
    return _longest_first([phrase.strip() for phrase in block.split("|")])


_before = re.compile(rf"^(?:(?:{_longest_first(_ZH_BEFORE.split())})|(?:{_english(_EN_BEFORE)})(?![a-z0-9])) *")
_after = re.compile(rf" *(?:(?:{_longest_first(_ZH_AFTER.split())})|(?<![a-z0-9])(?:{_english(_EN_AFTER)}))$")


@lru_cache(maxsize=64)
def strip(text: str) -> str:
    """A normalised text without the chatter at its ends; empty when it was nothing else."""
    before = None
    while before != text:
        before, text = text, _after.sub("", _before.sub("", text))
    return text
