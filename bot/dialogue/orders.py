"""Finding an order and proving that it is the buyer's.

Unknown and foreign orders go the same way in the same words: the proof is asked for, and it does not fit.
"""

from dataclasses import replace

from bot.dialogue import codes, delivered, refunds
from bot.dialogue.acts import Act, Goal
from bot.dialogue.state import ORDERS_OFFERED, Step, orders_of
from bot.dialogue.turn import Choice, Turn
from bot.dialogue.understanding import REASON_OF_ENTRY
from shop.masking import mask
from shop.port import OrderStatus


async def find(turn: Turn) -> None:
    """The buyer wants an order looked up."""
    await ask_order(turn, Goal(turn.intent.argument or Goal.LOOK))


async def report(turn: Turn) -> None:
    """The buyer has a bad code."""
    await ask_order(turn, Goal.CLAIM, reason=turn.intent.argument)


async def take_as_code(turn: Turn) -> None:
    """What was read as an order number was the code."""
    await ask_order(turn, Goal.CLAIM, reason=turn.state.reason or _reason_in_mind(turn, Goal.CLAIM))


async def ask_what_number(turn: Turn) -> None:
    """A number that may be an order, a code, or anything: ask, and keep it at hand sealed."""
    number = turn.intent.order_no
    turn.state = replace(turn.state, goal=turn.intent.goal or Goal.LOOK, order=turn.seal_order(number))
    is_order, was_code = turn.choice(Act.IS_ORDER, "button.is_order"), turn.choice(Act.WAS_CODE, "button.is_code")
    await turn.tell("order.ask_what", is_order, was_code, turn.person, number=mask(number))


async def take_as_order(turn: Turn) -> None:
    """The number that was asked about is an order's."""
    if turn.looked.order_no:
        await take_order(turn)
    else:
        await ask_order(turn, turn.state.goal)


async def ask_order(turn: Turn, goal: Goal, reason: str = "") -> None:
    turn.go(Step.ORDER, goal=goal, reason=reason, order="", picked="")
    await turn.tell(
        f"order.ask_{goal}", *await _own_orders(turn), turn.choice(Act.CANCEL, "button.cancel"), turn.person
    )


async def ask_order_again(turn: Turn) -> None:
    await turn.tell("order.ask_again", *await _own_orders(turn), turn.choice(Act.CANCEL, "button.cancel"), turn.person)


async def take_order(turn: Turn) -> None:
    """An order number was given, perhaps with its proof."""
    intent, looked = turn.intent, turn.looked
    goal = intent.goal or turn.state.goal
    heard = turn.state.reason if turn.state.step != Step.IDLE else ""
    reason = intent.reason or heard or _reason_in_mind(turn, goal)
    turn.hold(None)
    turn.go(Step.PROOF, goal=goal, reason=reason, order=turn.seal_order(looked.order_no), picked="")
    if looked.is_bound or looked.is_down:
        await proceed(turn)
    elif intent.secret:
        await take_proof(turn)
    elif not await _is_locked(turn):
        await ask_proof(turn)


async def use_order(turn: Turn) -> None:
    """One of the buyer's own orders was pressed."""
    goal = Goal(turn.intent.argument.partition("/")[0])
    reason = turn.state.reason or _reason_in_mind(turn, goal)
    turn.go(Step.ORDER, goal=goal, reason=reason, order=turn.seal_order(turn.looked.order_no), picked="")
    await proceed(turn)


async def ask_proof(turn: Turn) -> None:
    was_code = turn.choice(Act.WAS_CODE, "button.was_code")
    await turn.tell("order.ask_proof", was_code, turn.person, number=mask(turn.looked.order_no))


async def ask_proof_again(turn: Turn) -> None:
    await turn.tell("order.ask_proof_again", turn.choice(Act.CANCEL, "button.cancel"), turn.person)


async def take_proof(turn: Turn) -> None:
    """Judge a proof. A right one counts for nothing while the question is locked."""
    looked, ownership = turn.looked, turn.parts.ownership
    if looked.is_down:
        await proceed(turn)
        return
    if await _is_locked(turn):
        return
    if looked.is_owner is None:  # the lock has ended since we looked
        await ask_proof_again(turn)
        return
    if looked.is_owner and looked.order is not None and looked.way is not None:
        identity = turn.conversation.identity_id
        await ownership.bind(turn.session, turn.now, identity, looked.order, looked.way)
        await proceed(turn)
        return
    await ownership.miss(turn.session, turn.now, turn.conversation.identity_id, looked.order_no)
    await ownership.warn(turn.session, turn.now, turn.parts.desk)
    if not await _is_locked(turn):
        await turn.tell("order.wrong_proof", turn.choice(Act.FIND, "button.other_order", turn.state.goal), turn.person)


async def proceed(turn: Turn) -> None:
    """The order is proved: go on to what it was wanted for."""
    order, goal = turn.looked.order, turn.state.goal
    turn.hold(order)
    if turn.looked.is_down:
        turn.rest()
        await turn.tell("order.shop_down", turn.person)
    elif order is None:
        turn.rest()
        await turn.tell("order.gone", turn.person)
    elif goal == Goal.REFUND:
        await refunds.offer(turn, order)
    elif order.status in (OrderStatus.PAID_UNDELIVERED, OrderStatus.ABNORMAL) and goal != Goal.LOOK:
        await delivered.open_undelivered(turn, order)
    elif order.status in (OrderStatus.DELIVERED, OrderStatus.PARTIAL) and goal == Goal.CLAIM:
        await codes.ask_code(turn, order)
    else:
        await delivered.show(turn, order)


def _reason_in_mind(turn: Turn, goal: Goal) -> str:
    """What is wrong with the code by the entry that was answered last."""
    return REASON_OF_ENTRY.get(turn.state.entry, "") if goal == Goal.CLAIM else ""


async def _is_locked(turn: Turn) -> bool:
    """Whether too many proofs were wrong; says so, and for how long."""
    ownership, identity = turn.parts.ownership, turn.conversation.identity_id
    until = await ownership.locked_until(turn.session, turn.now, identity, turn.looked.order_no)
    if until is None:
        return False
    turn.rest()
    await turn.tell("order.locked", turn.person, span=turn.span(until - turn.now))
    return True


async def _own_orders(turn: Turn) -> list[Choice]:
    """Buttons for the orders that this buyer has proved lately."""
    own = (await orders_of(turn.session, turn.conversation.identity_id))[:ORDERS_OFFERED]
    return [Choice(Act.USE_ORDER, number, f"{turn.state.goal}/{number}") for number in own]
