"""The questions to the shop that a message raises, asked while no transaction is open."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from bot.dialogue.acts import Act, Intent
from bot.dialogue.edits import Edit
from bot.dialogue.state import Scene, Step
from shop.errors import ShopDown
from shop.masking import normalise_code
from shop.port import CodeCheck, Contact, Counter, Order, Origin, Power, ProofWay, Verdict

CLAIMING = frozenset({Act.REASON, Act.TYPED_CODE, Act.PICK_CODE, Act.ALL_CODES, Act.CODES_DONE})
ORIGINS_WITHIN = timedelta(seconds=5)
_BEST_FIRST = (Verdict.EXACT, Verdict.NEAR, Verdict.OTHER)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message understood, before the shop is asked."""

    scene: Scene
    intent: Intent
    order_no: str = ""  # the number that the message is about
    linked_by: str = ""  # the shop whose own link says that it is theirs
    is_locked: bool = False  # too many proofs were wrong: this one is not shown to the shop
    is_mailed: bool = False  # the proof is the code that was mailed to the address of the order
    edit: Edit | None = None  # these words stand where others stood


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known when the decision is made."""

    intent: Intent
    order_no: str = ""  # the number that the message is about
    order: Order | None = None  # only ever one that is proved, before or by `is_owner`
    is_bound: bool = False  # it was proved before
    is_owner: bool | None = None  # what the shop said of a proof; None when it was not asked
    way: ProofWay | None = None  # in which that proof fits
    contact: Contact | None = None  # where a code can be mailed, when one is asked for
    checks: tuple[CodeCheck, ...] = ()  # of the codes that were typed
    origins: Mapping[str, Origin] = field(default_factory=dict)  # of the codes that may be claimed now, by fingerprint
    is_down: bool = False  # the shop does not answer
    edit: Edit | None = None


async def look_up(shop: Counter, heard: Heard) -> Looked:
    """Ask the shop what this message needs."""
    intent, order_no = heard.intent, heard.order_no
    if not order_no:
        return Looked(intent)
    owned = next((own for own in heard.scene.orders if normalise_code(own) == normalise_code(order_no)), None)
    try:
        if heard.linked_by:
            linked = await shop.find_order(order_no)
            is_theirs = linked is not None and linked.shop == heard.linked_by  # another shop may have the same number
            return Looked(intent, order_no, linked if is_theirs else None, way=ProofWay.DEEP_LINK)
        if owned is None:
            return Looked(intent, order_no) if heard.is_locked else await _prove(shop, heard)
        order = await shop.find_order(owned)
        if order is not None and (order.shop, order.order_no) not in heard.scene.sold:
            return Looked(intent, owned, is_bound=True)  # the number is another shop's order now
        typed = intent.codes if intent.act == Act.TYPED_CODE else ()
        checks = tuple([await _check(shop, owned, ways) for ways in typed])
        origins = await _origins(shop, owned, _to_claim(heard, order, checks)) if order else {}
        return Looked(intent, owned, order, is_bound=True, checks=checks, origins=origins)
    except ShopDown:
        return Looked(intent, order_no, is_bound=owned is not None, is_down=True)


def order_no_of(intent: Intent, current: str, scene: Scene) -> str:
    """The number that a message is about; `current` is the one that the conversation is about."""
    match intent.act:
        case Act.ORDER:
            return intent.order_no
        case Act.USE_ORDER:
            return intent.argument.partition("/")[2]
        case Act.PICK_CODE | Act.REFUND:
            return intent.argument.partition("/")[0]
        case Act.MISSING:
            return intent.argument
        case Act.ALL_CODES | Act.MORE_CODES:
            return intent.argument or current
        case Act.PICTURE:
            return scene.proving
        case Act.AGAIN:
            return scene.given
        case Act.PROOF | Act.MAIL_CODE | Act.TYPED_CODE | Act.REASON | Act.IS_ORDER | Act.CODES_DONE:
            return current
        case Act.ASK | Act.UNCLEAR if scene.state.step in (Step.CODE, Step.REASON):
            return current
        case _:
            return ""


def _to_claim(heard: Heard, order: Order, checks: Sequence[CodeCheck]) -> list[str]:
    """The fingerprints of the codes that are claimed with this message, as soon as the reason is known."""
    intent, state = heard.intent, heard.scene.state
    if intent.act not in CLAIMING or not (intent.act == Act.REASON or state.reason):
        return []
    named: list[str] = []
    if intent.act == Act.PICK_CODE:
        named = [intent.argument.partition("/")[2]]
    elif intent.act == Act.TYPED_CODE:
        named = [check.code.fingerprint for check in checks if check.verdict == Verdict.EXACT and check.code]
    wanted = {*named, *state.picked.split()}
    return [code.fingerprint for code in order.codes if intent.act == Act.ALL_CODES or code.fingerprint in wanted]


async def _origins(shop: Counter, order_no: str, fingerprints: Sequence[str]) -> dict[str, Origin]:
    """As many as the shop tells in time: where a code came from is worth knowing, and nothing waits for it."""
    found: dict[str, Origin] = {}
    if Power.ORIGIN not in shop.powers:
        return found
    with suppress(ShopDown, TimeoutError):
        async with asyncio.timeout(ORIGINS_WITHIN.total_seconds()):
            for fingerprint in fingerprints:
                reply = await shop.origin_of(order_no, fingerprint)
                if reply.value is not None:
                    found[fingerprint] = reply.value
    return found


async def _prove(shop: Counter, heard: Heard) -> Looked:
    intent, order_no = heard.intent, heard.order_no
    if intent.act == Act.MAIL_CODE:
        return Looked(intent, order_no, contact=(await shop.contact_of(order_no)).value)
    if intent.act not in (Act.PROOF, Act.ORDER) or not intent.secret:
        return Looked(intent, order_no)
    way = ProofWay.MAILED_CODE if heard.is_mailed else await shop.prove_owner(order_no, intent.secret)
    order = await shop.find_order(order_no) if way else None
    return Looked(intent, order_no, order, is_owner=order is not None, way=way)


async def _check(shop: Counter, order_no: str, ways: Sequence[str]) -> CodeCheck:
    """The best verdict on what the buyer may have meant as one code."""
    checks = [await shop.check_code(order_no, code) for code in ways]
    return min(checks, key=lambda check: _BEST_FIRST.index(check.verdict))
