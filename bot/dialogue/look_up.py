"""The questions to the shop that a message raises, asked while no transaction is open."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.dialogue.acts import Act, Intent
from bot.dialogue.state import Scene, Step
from shop.errors import ShopDown
from shop.masking import normalise_code
from shop.port import CodeCheck, Contact, Order, ProofWay, Shop, Verdict

_BEST_FIRST = (Verdict.EXACT, Verdict.NEAR, Verdict.OTHER)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message understood, before the shop is asked."""

    scene: Scene
    intent: Intent
    order_no: str = ""  # the number that the message is about
    is_linked: bool = False  # the shop's own link says so: it is theirs
    is_locked: bool = False  # too many proofs were wrong: this one is not shown to the shop
    is_mailed: bool = False  # the proof is the code that was mailed to the address of the order


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
    is_down: bool = False  # the shop does not answer


async def look_up(shop: Shop, heard: Heard) -> Looked:
    """Ask the shop what this message needs."""
    intent, order_no = heard.intent, heard.order_no
    if not order_no:
        return Looked(intent)
    owned = next((own for own in heard.scene.orders if normalise_code(own) == normalise_code(order_no)), None)
    try:
        if heard.is_linked:
            return Looked(intent, order_no, await shop.find_order(order_no), way=ProofWay.DEEP_LINK)
        if owned is None:
            return Looked(intent, order_no) if heard.is_locked else await _prove(shop, heard)
        order = await shop.find_order(owned)
        typed = intent.codes if intent.act == Act.TYPED_CODE else ()
        checks = tuple([await _check(shop, owned, ways) for ways in typed])
        return Looked(intent, owned, order, is_bound=True, checks=checks)
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


async def _prove(shop: Shop, heard: Heard) -> Looked:
    intent, order_no = heard.intent, heard.order_no
    if intent.act == Act.MAIL_CODE:
        return Looked(intent, order_no, contact=(await shop.contact_of(order_no)).value)
    if intent.act not in (Act.PROOF, Act.ORDER) or not intent.secret:
        return Looked(intent, order_no)
    way = ProofWay.MAILED_CODE if heard.is_mailed else await shop.prove_owner(order_no, intent.secret)
    order = await shop.find_order(order_no) if way else None
    return Looked(intent, order_no, order, is_owner=order is not None, way=way)


async def _check(shop: Shop, order_no: str, ways: Sequence[str]) -> CodeCheck:
    """The best verdict on what the buyer may have meant as one code."""
    checks = [await shop.check_code(order_no, code) for code in ways]
    return min(checks, key=lambda check: _BEST_FIRST.index(check.verdict))
