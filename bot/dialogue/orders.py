"""Finding an order and proving that it is the buyer's.

Unknown and foreign orders go the same way in the same words: the proof is asked for, and it does not fit.
"""

from dataclasses import replace

from bot.dialogue import codes, delivered, refunds, tickets
from bot.dialogue.acts import Act, Goal
from bot.dialogue.state import ORDERS_OFFERED, Step, orders_of
from bot.dialogue.turn import Choice, Turn
from bot.dialogue.understanding import REASON_OF_ENTRY
from shop.masking import mask
from shop.port import OrderStatus, ProofWay


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
    number = mask(turn.looked.order_no)
    await turn.tell("order.ask_proof", *await _mail_choice(turn), was_code, turn.person, number=number)


async def ask_proof_again(turn: Turn) -> None:
    key = "order.ask_mailed_again" if await _is_code_awaited(turn) else "order.ask_proof_again"
    await turn.tell(key, *await _mail_choice(turn), turn.choice(Act.CANCEL, "button.cancel"), turn.person)


async def mail_code(turn: Turn) -> None:
    """The buyer has no proof: mail a code to the address of the order, or do as if there were one."""
    looked, mails = turn.looked, turn.parts.mails
    if not looked.order_no:
        await ask_order(turn, turn.state.goal)
        return
    if looked.is_bound or looked.is_down:
        await proceed(turn)
        return
    if await _is_locked(turn):
        return
    if mails is None or looked.contact is None:  # None: the lock has ended since we looked
        await ask_proof_again(turn)
        return
    identity, address = turn.conversation.identity_id, looked.contact.address
    until = await mails.ask(turn.session, turn.now, identity, looked.order_no, address, turn.language)
    turn.go(Step.PROOF)
    if until is not None:
        await turn.tell("order.mail_later", turn.person, span=turn.span(until - turn.now))
        return
    span, again = turn.span(mails.rules.lives), turn.choice(Act.MAIL_CODE, "button.mail_code_again")
    other = turn.choice(Act.FIND, "button.other_order", turn.state.goal)
    await turn.tell("order.mailed", again, other, turn.person, address=looked.contact.shown, span=span)


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
    if looked.is_owner and looked.order is not None and looked.way is not None and await _use_code(turn):
        identity = turn.conversation.identity_id
        await ownership.bind(turn.session, turn.now, identity, looked.order, looked.way)
        await proceed(turn)
        return
    await ownership.miss(turn.session, turn.now, turn.conversation.identity_id, looked.order_no)
    await ownership.warn(turn.session, turn.now, turn.parts.desk)
    if not await _is_locked(turn):
        key = "order.wrong_mailed" if await _is_code_awaited(turn) else "order.wrong_proof"
        other = turn.choice(Act.FIND, "button.other_order", turn.state.goal)
        await turn.tell(key, *await _mail_choice(turn), other, turn.person)


async def proceed(turn: Turn) -> None:
    """The order is proved: go on to what it was wanted for."""
    order, goal = turn.looked.order, turn.state.goal
    turn.hold(order)
    if turn.looked.is_down:
        await tickets.excuse_shop(turn)
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


async def _use_code(turn: Turn) -> bool:
    """Whether the proof holds still: a mailed code is used up by it, and another message may have been first."""
    looked, mails = turn.looked, turn.parts.mails
    if looked.way != ProofWay.MAILED_CODE or mails is None:
        return True
    identity = turn.conversation.identity_id
    return await mails.use(turn.session, turn.now, identity, looked.order_no, turn.intent.secret)


async def _is_code_awaited(turn: Turn) -> bool:
    """Whether a code was asked for; it says nothing of whether one was sent."""
    mails, identity = turn.parts.mails, turn.conversation.identity_id
    order_no = turn.looked.order_no or turn.state.open_order(turn.parts.vault, turn.conversation.id)
    return mails is not None and await mails.is_awaited(turn.session, turn.now, identity, order_no)


async def _mail_choice(turn: Turn) -> list[Choice]:
    if turn.parts.mails is None:
        return []
    label = "button.mail_code_again" if await _is_code_awaited(turn) else "button.mail_code"
    return [turn.choice(Act.MAIL_CODE, label)]


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
