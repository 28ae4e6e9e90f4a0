"""The buyer's one button for money back: which code, then it is asked for, or one sentence says why not."""

from bot.dialogue import tickets
from bot.dialogue.acts import Act
from bot.dialogue.turn import Choice, Turn
from shop.money import in_words
from shop.port import CodeRef, Order, OrderStatus
from shop.tables import RefundState
from tickets import filing
from tickets.returns import Bar, Returns

MOST_BUTTONS = 8  # codes that are offered; of a longer order a person finds out which
REFUNDABLE = frozenset({OrderStatus.DELIVERED, OrderStatus.PARTIAL, OrderStatus.PAID_UNDELIVERED, OrderStatus.ABNORMAL})


async def offer(turn: Turn, order: Order) -> None:
    """Of an order with one code it is clear which; of several the buyer presses one."""
    codes = await filing.codes_in_use(turn.session, order)
    if len(codes) < 2:
        await _ask(turn, order, codes[0] if codes else None)
        return
    turn.rest()
    if len(codes) > MOST_BUTTONS:
        await turn.tell("refund.which_of_many", turn.person, product=order.goods.name)
        return
    choices = [Choice(Act.REFUND, code.masked, f"{order.order_no}/{code.fingerprint}") for code in codes]
    await turn.tell("refund.which", *choices, turn.person, product=order.goods.name)


async def take(turn: Turn) -> None:
    """The button of one code was pressed."""
    order, fingerprint = turn.looked.order, turn.intent.argument.partition("/")[2]
    code = next((one for one in order.codes if one.fingerprint == fingerprint), None) if order else None
    if turn.looked.is_down:
        await tickets.excuse_shop(turn)
    elif order is None or code is None or not turn.looked.is_bound:
        turn.rest()
        await turn.tell("button.expired", turn.person)
    else:
        await _ask(turn, order, code)


def choice(turn: Turn, order: Order) -> list[Choice]:
    """The button, under an order that something was paid for."""
    if order.status not in REFUNDABLE or order.refunded >= order.paid:
        return []
    return [turn.choice(Act.USE_ORDER, "button.refund", f"refund/{order.order_no}")]


async def _ask(turn: Turn, order: Order, code: CodeRef | None) -> None:
    turn.rest()
    subject = turn.word("refund.subject", product=order.goods.name)
    returns = Returns(turn.parts.desk)
    asked = await returns.ask(turn.session, turn.now, turn.conversation, order, code, subject)
    if isinstance(asked, Bar):
        report = []
        if asked == Bar.SEEN:
            report = [turn.choice(Act.USE_ORDER, "button.report", f"claim/{order.order_no}")]
        await turn.tell(f"refund.why.{asked}", *report, turn.person)
        return
    turn.file_under(asked.ticket)
    if asked.refund.state != RefundState.REQUESTED:
        return  # that it is approved was said
    promise = turn.span(await turn.parts.desk.promised(turn.session, asked.ticket))
    facts = {"number": asked.ticket.number, "place": await tickets.place(turn, asked.ticket), "promise": promise}
    progress = turn.choice(Act.TICKETS, "button.tickets")
    await turn.tell(
        "refund.waits",
        progress,
        turn.person,
        ticket=asked.ticket,
        amount=in_words(asked.refund.amount, asked.refund.currency),
        **facts,
    )
