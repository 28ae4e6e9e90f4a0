"""Which codes of an order do not work: pressed one after another, all of them, or pasted."""

from dataclasses import replace

from bot.dialogue import claims, tickets
from bot.dialogue.acts import Act
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn
from shop.port import CodeRef, Order, OrderStatus, Verdict
from tickets import filing
from tickets.suspicion import note_strays

MOST_STRAYS = 10  # typed codes that do not fit before a person looks: who tries that many may be guessing
MOST_BUTTONS = 8  # codes that are offered as buttons; of a longer order the buyer pastes them


async def ask_code(turn: Turn, order: Order) -> None:
    if not order.codes:
        await tickets.take_without_codes(turn, order)
        return
    turn.go(Step.CODE, order=turn.seal_order(order.order_no), picked="")
    key = "claim.ask_long" if _is_long(order) else "claim.ask_code"
    await turn.tell(
        key if order.quantity < 2 else f"{key}s", *_choices(turn, order), turn.person, product=order.goods.name
    )


async def ask_code_again(turn: Turn) -> None:
    order = turn.looked.order
    choices = _choices(turn, order) if order else []
    key = "claim.ask_long_again" if order and _is_long(order) else "claim.ask_code_again"
    await turn.tell(key, *choices, turn.choice(Act.CANCEL, "button.cancel"), turn.person)


async def pick_code(turn: Turn) -> None:
    """A masked code was pressed, perhaps after others."""
    order = turn.looked.order if turn.looked.is_bound else None
    code = _find(order, turn.intent.argument.partition("/")[2])
    if order is None or code is None:
        await claims.excuse(turn)
        return
    _pick(turn, order, [*claims.picked(turn, order), code])
    if turn.state.reason and order.quantity > 1:  # it would be filed at once, and there may be others
        await _ask_more(turn, order)
    else:
        await claims.go_on(turn, order)


async def pick_all(turn: Turn) -> None:
    """All that the order has: of a replaced code the replacement."""
    order = turn.looked.order if turn.looked.is_bound else None
    if order is None or not order.codes:
        await claims.excuse(turn)
        return
    _pick(turn, order, await filing.codes_in_use(turn.session, order))
    await claims.go_on(turn, order)


async def ask_more(turn: Turn) -> None:
    """There are others beside those picked."""
    order = turn.looked.order if turn.looked.is_bound else None
    if order is None:
        await claims.excuse(turn)
        return
    _pick(turn, order, claims.picked(turn, order))
    await _ask_more(turn, order)


async def finish(turn: Turn) -> None:
    """There are no others."""
    order = turn.looked.order
    if order is None:
        await claims.excuse(turn)
    elif claims.picked(turn, order):
        await claims.go_on(turn, order)
    else:
        await ask_code_again(turn)


async def take_again(turn: Turn) -> None:
    """What was given in place of a bad code is bad as well: nothing is proved anew, the next round begins."""
    order = turn.looked.order
    given = await filing.given_in(turn.session, turn.conversation, order) if order else []
    if order is None or not given:
        await claims.excuse(turn)
        return
    turn.go(Step.CODE, order=turn.seal_order(order.order_no), picked="", reason=turn.intent.argument)
    if await claims.give_links_again(turn, order, given):  # how can it be bad, it was not looked at yet
        return
    if len(given) > 1:
        buttons = [_button(order, code) for code in given[:MOST_BUTTONS]]
        await turn.tell("claim.ask_which_again", *buttons, turn.person, product=order.goods.name)
        return
    _pick(turn, order, given)
    await claims.go_on(turn, order)


async def take_code(turn: Turn) -> None:
    """Codes were pasted: compare them with what the order delivered."""
    order, checks = turn.looked.order, turn.looked.checks
    if order is None or not checks:
        await claims.excuse(turn)
        return
    exact = [check.code for check in checks if check.verdict == Verdict.EXACT and check.code]
    strays = len(checks) - len(exact)
    turn.state = replace(turn.state, strays=turn.state.strays + strays)
    if strays and turn.state.strays >= MOST_STRAYS:
        await tickets.hand_over(turn)
    elif exact:
        if strays:
            await turn.tell("claim.some_strays", count=strays)
        _pick(turn, order, [*claims.picked(turn, order), *exact])
        await claims.go_on(turn, order)
    elif any(check.verdict == Verdict.NEAR for check in checks):
        await turn.tell("claim.near", turn.choice(Act.CANCEL, "button.cancel"), turn.person)
    else:
        typed = (text for texts in turn.intent.codes for text in texts)
        await note_strays(turn.session, turn.now, turn.parts.vault, turn.conversation, typed)
        other = turn.choice(Act.FIND, "button.other_order", turn.state.goal)
        await turn.tell("claim.not_of_order", *_choices(turn, order), other, turn.person)


def _pick(turn: Turn, order: Order, codes: list[CodeRef]) -> None:
    prints = dict.fromkeys(code.fingerprint for code in codes)
    turn.go(Step.CODE, order=turn.seal_order(order.order_no), picked=" ".join(prints))


async def _ask_more(turn: Turn, order: Order) -> None:
    chosen = claims.picked(turn, order)
    done = [turn.choice(Act.CODES_DONE, "button.codes_done")] if chosen else []
    masked = claims.names(turn, chosen)
    key = "claim.ask_more" if chosen else "claim.ask_codes"
    await turn.tell(
        key, *_choices(turn, order), *done, turn.person, count=len(chosen), masked=masked, product=order.goods.name
    )


def _find(order: Order | None, fingerprint: str) -> CodeRef | None:
    codes = order.codes if order and fingerprint else ()
    return next((code for code in codes if code.fingerprint == fingerprint), None)


def _button(order: Order, code: CodeRef) -> Choice:
    return Choice(Act.PICK_CODE, code.masked, f"{order.order_no}/{code.fingerprint}")


def _choices(turn: Turn, order: Order) -> list[Choice]:
    """The codes that are not picked, if they are few, and all of them at once."""
    chosen = turn.state.picked.split()
    left = [code for code in order.codes if code.fingerprint not in chosen]
    choices = [_button(order, code) for code in left] if not _is_long(order) else []
    if order.quantity > 1 and left:
        choices.append(turn.choice(Act.ALL_CODES, "button.all_codes", order.order_no))
    if choices and order.status == OrderStatus.PARTIAL:
        choices.append(turn.choice(Act.MISSING, "button.missing", order.order_no))
    return choices


def _is_long(order: Order) -> bool:
    return len(order.codes) > MOST_BUTTONS
