"""What shops write where codes should be: one a line, or a sentence that says why there are none."""

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


@dataclass(frozen=True, slots=True)
class Delivered:
    """The text of an order, read."""

    codes: tuple[str, ...] = field(default=(), repr=False)
    failure: str = ""  # the sentence that says that nothing was delivered


def read_delivered(text: str | None, failures: Iterable[str] = FAILURES) -> Delivered:
    """Its codes, in their order; none when it holds a failure sentence."""
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text or "")]
    lines = [line for line in lines if normalise_code(line)]
    for line in lines:
        if any(words in line for words in failures):
            return Delivered(failure=line)
    return Delivered(tuple(lines))


def refer(vault: Vault, codes: Sequence[str], reusable: Iterable[str] = ()) -> tuple[CodeRef, ...]:
    """The codes of one order without their texts, numbered from 1; many orders may hold the `reusable` fingerprints."""
    loops, fingerprints = set(reusable), [vault.fingerprint(code) for code in codes]
    return tuple(
        CodeRef(fingerprint, mask(code), position, fingerprint in loops)
        for position, (code, fingerprint) in enumerate(zip(codes, fingerprints, strict=True), 1)
    )
