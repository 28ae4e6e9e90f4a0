"""What a proved order brought, or did not bring."""

from datetime import datetime

from bot.dialogue import refunds, tickets
from bot.dialogue.acts import Act
from bot.dialogue.turn import Choice, Turn
from shop.port import Order, OrderStatus
from tickets import filing
from tickets.undelivered import OWED


async def show(turn: Turn, order: Order) -> None:
    """Product, status, date, codes (masked), and what can be done about it."""
    turn.rest()
    paid_at = order.delivered_at or order.paid_at
    facts = {
        "number": order.order_no,
        "product": order.goods.name,
        "quantity": order.quantity,
        "status": turn.word(f"order.status.{order.status}"),
        "date": _date(turn, paid_at) if paid_at else turn.word("order.no_date"),
    }
    lines = [turn.word("order.shown", **facts)]
    if order.codes:
        masked = turn.listed(code.masked for code in order.codes[:10])
        lines.append(turn.word("order.codes", count=len(order.codes), masked=masked))
    lines.append(turn.word(f"order.advice.{order.status}"))
    await turn.say("\n".join(lines), *_choices(turn, order), turn.person)


def _date(turn: Turn, at: datetime) -> str:
    """Day and time as the shop's clock on the wall says it, with the name of its zone."""
    zone = turn.parts.zone
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"


async def take_missing(turn: Turn) -> None:
    """The buyer says that not all of an order was delivered."""
    if turn.looked.is_down:
        await tickets.excuse_shop(turn)
    elif turn.looked.order is None or not turn.looked.is_bound:
        await turn.tell("button.expired", turn.person)
    elif turn.looked.order.status not in OWED:  # it has come since the button was shown
        await show(turn, turn.looked.order)
    else:
        await open_undelivered(turn, turn.looked.order)


async def open_undelivered(turn: Turn, order: Order) -> None:
    """Paid but not delivered is no claim: a ticket of its own, one per order."""
    turn.rest()
    ticket, is_new = await turn.parts.desk.open_undelivered(turn.session, turn.now, turn.conversation, order)
    key = f"undelivered.opened_{order.status}" if is_new else "undelivered.known"
    turn.file_under(ticket)
    place = await tickets.place(turn, ticket)
    promise = turn.span(await turn.parts.desk.promised(turn.session, ticket))
    buttons = turn.choice(Act.TICKETS, "button.tickets"), turn.person
    sent = len(await filing.codes_in_use(turn.session, order))
    facts: dict[str, object] = {"number": ticket.number, "place": place, "promise": promise}
    facts |= {"quantity": order.quantity, "sent": sent, "missing": order.quantity - sent}
    await turn.tell(key, *buttons, ticket=ticket, **facts)


def _choices(turn: Turn, order: Order) -> list[Choice]:
    choices = []
    if order.codes and order.status in (OrderStatus.DELIVERED, OrderStatus.PARTIAL):
        choices.append(turn.choice(Act.USE_ORDER, "button.report", f"claim/{order.order_no}"))
    if order.status in OWED:
        choices.append(turn.choice(Act.MISSING, "button.missing", order.order_no))
    return [*choices, *refunds.choice(turn, order)]
