"""A code that does not work: which one, whether it is of this order, what is wrong with it, and what follows."""

from dataclasses import replace

from bot.dialogue import tickets
from bot.dialogue.acts import Act
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn
from shop.port import CodeRef, Order, OrderStatus, Verdict
from tickets.claims import Settled
from tickets.links import MARK
from tickets.tables import Priority, Reason

MOST_STRAYS = 10  # typed codes that do not fit before a person looks: who tries that many may be guessing
MOST_BUTTONS = 8  # codes that are offered as buttons; of a longer order the buyer pastes one
REASONS = tuple(reason for reason in Reason if reason != Reason.NOT_DELIVERED)  # that one is a flow of its own


async def ask_code(turn: Turn, order: Order) -> None:
    turn.go(Step.CODE, order=turn.seal_order(order.order_no), fingerprint="")
    key = "claim.ask_code" if len(order.codes) <= MOST_BUTTONS else "claim.ask_long"
    await turn.tell(key, *_code_choices(turn, order), turn.person, product=order.goods.name)


async def ask_code_again(turn: Turn) -> None:
    choices = _code_choices(turn, turn.looked.order) if turn.looked.order else []
    await turn.tell("claim.ask_code_again", *choices, turn.choice(Act.CANCEL, "button.cancel"), turn.person)


async def pick_code(turn: Turn) -> None:
    """A masked code was pressed."""
    order = turn.looked.order if turn.looked.is_bound else None
    code = _find_code(order, turn.intent.argument.partition("/")[2])
    if order is None or code is None:
        await _excuse(turn)
        return
    turn.go(Step.CODE, order=turn.seal_order(order.order_no))
    await _claim(turn, order, code)


async def take_code(turn: Turn) -> None:
    """A code was pasted: compare it with what the order delivered."""
    order, check = turn.looked.order, turn.looked.check
    if order is None or check is None:
        await _excuse(turn)
        return
    if check.verdict == Verdict.EXACT and check.code:
        await _claim(turn, order, check.code)
        return
    turn.state = replace(turn.state, strays=turn.state.strays + 1)
    if turn.state.strays >= MOST_STRAYS:
        await tickets.hand_over(turn)
    elif check.verdict == Verdict.NEAR:
        await turn.tell("claim.near", turn.choice(Act.CANCEL, "button.cancel"), turn.person)
    else:
        other = turn.choice(Act.FIND, "button.other_order", turn.state.goal)
        await turn.tell("claim.not_of_order", *_code_choices(turn, order), other, turn.person)


async def take_reason(turn: Turn) -> None:
    order, code = turn.looked.order, _find_code(turn.looked.order, turn.state.fingerprint)
    if order is None or code is None or turn.intent.argument not in REASONS:
        await _excuse(turn)
    else:
        await _file(turn, order, code, Reason(turn.intent.argument))


async def ask_reason_again(turn: Turn) -> None:
    await turn.tell(
        "claim.ask_reason_again", *_reason_choices(turn), turn.choice(Act.CANCEL, "button.cancel"), turn.person
    )


async def _claim(turn: Turn, order: Order, code: CodeRef) -> None:
    """It is a code of this order: the reason is all that is missing, if it is."""
    if turn.state.reason in REASONS:
        await _file(turn, order, code, Reason(turn.state.reason))
        return
    turn.go(Step.REASON, fingerprint=code.fingerprint)
    await turn.tell("claim.ask_reason", *_reason_choices(turn), turn.person, masked=code.masked)


async def _file(turn: Turn, order: Order, code: CodeRef, reason: Reason) -> None:
    settled = await turn.parts.claims.file(turn.session, turn.now, turn.conversation, order, code, reason)
    turn.rest()
    if settled.kind != "ticket":
        await _give_link(turn, code, settled)
    else:
        await _promise(turn, code, settled)


async def _give_link(turn: Turn, code: CodeRef, settled: Settled) -> None:
    assert settled.link is not None
    ttl = turn.span(turn.parts.claims.rules.reveal_ttl)
    key = "claim.link_again" if settled.kind == "link" else "claim.replaced_now"
    text = turn.word(key, masked=code.masked, link=MARK, ttl=ttl)
    await turn.say(text, turn.person, ticket=settled.ticket, priority=Priority.OUTCOME, link_id=settled.link.id)


async def _promise(turn: Turn, code: CodeRef, settled: Settled) -> None:
    ticket = settled.ticket
    assert ticket is not None
    turn.file_under(ticket)
    why = turn.word(f"claim.why.{'repeat' if settled.is_repeat else settled.why}", masked=code.masked)
    promise = turn.span(await turn.parts.desk.promised(turn.session, ticket))
    facts = {"number": ticket.number, "place": await tickets.place(turn, ticket), "promise": promise}
    await turn.tell(
        "claim.ticket", turn.choice(Act.TICKETS, "button.tickets"), turn.person, ticket=ticket, why=why, **facts
    )


async def _excuse(turn: Turn) -> None:
    """The shop is away, or the button is of another time."""
    turn.rest()
    await turn.tell("order.shop_down" if turn.looked.is_down else "button.expired", turn.person)


def _find_code(order: Order | None, fingerprint: str) -> CodeRef | None:
    codes = order.codes if order and fingerprint else ()
    return next((code for code in codes if code.fingerprint == fingerprint), None)


def _code_choices(turn: Turn, order: Order) -> list[Choice]:
    if not 1 <= len(order.codes) <= MOST_BUTTONS:
        return []
    choices = [Choice(Act.PICK_CODE, code.masked, f"{order.order_no}/{code.fingerprint}") for code in order.codes]
    if order.status == OrderStatus.PARTIAL:
        choices.append(turn.choice(Act.MISSING, "button.missing", order.order_no))
    return choices


def _reason_choices(turn: Turn) -> list[Choice]:
    return [turn.choice(Act.REASON, f"reason.{reason}", reason) for reason in REASONS]
