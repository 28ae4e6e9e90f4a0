"""Tickets as the buyer meets them: a person, where things stand, hurrying, and words for whoever has the case."""

from dataclasses import replace
from datetime import timedelta

from sqlmodel import col, select

from bot.channels.port import Kind
from bot.dialogue import reading, standing
from bot.dialogue.acts import ASIDES, TALK, Act
from bot.dialogue.greeting import menu
from bot.dialogue.state import Step
from bot.dialogue.turn import Turn
from bot.tables import Button
from shop.masking import mask
from shop.port import Order
from tickets import clocks
from tickets.buyers import Became
from tickets.changes import get_ticket
from tickets.conversations import add_note
from tickets.errors import TooSoon
from tickets.grievance import Grievance
from tickets.lifecycle import is_active
from tickets.meant import is_number, is_spam, last_of
from tickets.naming import word_of
from tickets.said import find_said
from tickets.tables import Agent, Author, Direction, Level, Message, Metric, Phase, Ticket, id_of

SHOWN = 5  # tickets in one answer
ESTIMATE_STEP = timedelta(minutes=5)  # nobody can say it more exactly
WORDS_KEPT_IN_MIND = 10  # messages among which the subject of a new ticket is looked for
IMPATIENT = frozenset({"no_reply", "promised_24h"})  # entries of those who wait for a person
TOLD = {
    Became.HEARD: "ticket.passed_on",
    Became.REOPENED: "ticket.reopened",
    Became.FOLLOWED: "ticket.followed",
}


async def hand_over(turn: Turn) -> None:
    """A person, in one step."""
    known = await in_human_hands(turn)
    ticket = await _call_person(turn, await _subject(turn))
    is_new = known is None or known.id != ticket.id
    await _tell_where(turn, ticket, "ticket.handed_over" if is_new else "ticket.with_people")


async def excuse_shop(turn: Turn) -> None:
    """The shop does not answer: a person looks into it meanwhile, on one ticket however often the buyer tries."""
    subject = turn.word("order.shop_down_subject", number=mask(turn.looked.order_no))
    await _tell_where(turn, await _bring_to_person(turn, subject), "order.shop_down")


async def take_without_codes(turn: Turn, order: Order) -> None:
    """What a person delivered has no codes that could be compared: a person looks."""
    subject = turn.word("claim.without_codes_subject", product=order.goods.name)
    await _tell_where(turn, await _bring_to_person(turn, subject), "claim.without_codes", product=order.goods.name)


async def _bring_to_person(turn: Turn, subject: str) -> Ticket:
    """The ticket that people have already, or a new one."""
    ticket = await in_human_hands(turn)
    if ticket is None:
        return await _call_person(turn, subject)
    turn.rest()
    turn.file_under(ticket)
    return ticket


async def take_grievance(turn: Turn) -> None:
    """Anger, or the law: a person at once, who sees why; calm words to the buyer, once."""
    known = await in_human_hands(turn)
    if known is not None and turn.state.told == known.id:
        await pass_on(turn, known)
        return
    kind = turn.intent.argument
    why = turn.word(f"grievance.why.{kind}", words=turn.intent.stored)
    ticket = await _call_person(turn, why)
    await turn.parts.desk.weigh(turn.session, turn.now, ticket, Grievance(kind))
    if not why.startswith(ticket.subject):  # it was there before, and is about something else
        await add_note(turn.session, turn.now, ticket, why)
    calm = turn.word(f"grievance.calm.{kind}")
    await _tell_where(turn, ticket, "grievance.handed_over", calm=calm)


async def _call_person(turn: Turn, subject: str) -> Ticket:
    about = turn.here
    if about is not None and not is_active(about.phase) and turn.message is not None:
        about = (await turn.parts.desk.hear(turn.session, turn.now, about, turn.message)).ticket
    ticket = await turn.parts.desk.hand_over(turn.session, turn.now, turn.conversation, subject, about)
    turn.rest()
    turn.state = replace(turn.state, told=ticket.id or 0)
    turn.file_under(ticket)
    return ticket


async def _tell_where(turn: Turn, ticket: Ticket, key: str, **facts: object) -> None:
    facts |= {"number": ticket.number, "place": await place(turn, ticket), "hours": _hours(turn)}
    promised = await turn.parts.desk.promised(turn.session, ticket)
    await turn.tell(key, ticket=ticket, promise=turn.span(promised), **facts)


async def list_tickets(turn: Turn) -> None:
    """Number, state in words, place in the queue."""
    tickets = await _active(turn)
    if not tickets:
        await turn.tell("ticket.none", *menu(turn))
        return
    lines = [
        turn.word("ticket.line", number=ticket.number, subject=ticket.subject, place=await place(turn, ticket))
        + await _at_the_latest(turn, ticket)
        for ticket in tickets[-SHOWN:]
    ]
    hurry = turn.choice(Act.HURRY, "button.hurry")
    await turn.say("\n".join([turn.word("ticket.list"), *lines]), hurry, turn.person)


async def tell_standing(turn: Turn) -> bool:
    """Whether they only asked for their place in line, or how long it still takes, and were told.

    Who complains that nobody comes, and is in line, hurries it: the answer for strangers would send them there again.
    "How long" belongs to what was just spoken of, and to the person who has the case; only beside these to the line.
    """
    if turn.intent.act != Act.ASK or turn.inbound.kind == Kind.PRESS or turn.state.step != Step.IDLE:
        return False
    match, words = turn.intent.match, turn.intent.stored
    if match is not None and match.entry in IMPATIENT and any(_is_in_line(ticket) for ticket in await _active(turn)):
        await hurry(turn)
        return True
    if standing.asks_place(words):
        is_told = match is None or match.outcome != "answer" or bool(await _active(turn))
    else:
        is_told = not turn.state.entry and standing.asks_how_long(words)
        is_told = is_told and any(_is_in_line(ticket) for ticket in await _active(turn))
    if is_told:
        turn.forget_misses()
        await list_tickets(turn)
    return is_told


def _is_in_line(ticket: Ticket) -> bool:
    return ticket.phase == Phase.OPEN and ticket.assignee_id is None


async def hurry(turn: Turn) -> None:
    """催单: on the ticket in whose topic it was said, or that has waited longest."""
    waiting = [ticket for ticket in await _active(turn) if ticket.phase == Phase.OPEN]
    if not waiting:
        await turn.tell("ticket.none_to_hurry", *menu(turn))
        return
    longest = min(waiting, key=lambda one: one.waiting_since or one.created_at)
    ticket = next((one for one in waiting if turn.here is not None and one.id == turn.here.id), longest)
    try:
        await turn.parts.desk.hurry(turn.session, turn.now, ticket)
    except TooSoon as refusal:
        again = turn.span(refusal.until - turn.now)
        await turn.tell("ticket.hurried_lately", number=ticket.number, place=await place(turn, ticket), again=again)
        return
    await turn.tell("ticket.hurried", ticket=ticket, number=ticket.number, place=await place(turn, ticket))


async def take_named(turn: Turn, ticket: Ticket) -> None:
    """The buyer wrote the number of a ticket: alone, it asks where that stands; with words, they are about it."""
    if turn.intent.act != Act.TICKETS and not is_number(turn.intent.stored):
        await pass_on(turn, ticket)
        return
    now_in = await last_of(turn.session, ticket)
    key = "ticket.stands" if now_in.id == ticket.id else "ticket.stands_merged"
    facts = {"number": ticket.number, "into": now_in.number, "place": await place(turn, now_in)}
    await turn.tell(key, *menu(turn), ticket=now_in, **facts)


async def find_named(turn: Turn) -> Ticket | None:
    """The ticket of this buyer whose number they wrote."""
    return await turn.parts.desk.find_ticket(turn.session, turn.now, turn.conversation.buyer_id, turn.intent.stored)


async def find_answered(turn: Turn) -> Ticket | None:
    """The ticket of the message that these words are a reply to, where they are for whoever has it.

    What the bot can answer itself it answers, unless they reply to a person. Thanks open nothing again.
    """
    if not turn.inbound.reply_to:
        return None
    replied = await find_said(turn.session, id_of(turn.conversation), turn.inbound.reply_to)
    if replied is None or replied.ticket_id is None:
        return None
    by_person = replied.author == Author.AGENT and turn.state.step == Step.IDLE
    ticket = await last_of(turn.session, await get_ticket(turn.session, replied.ticket_id))
    is_thanks = turn.intent.act == Act.CHAT and not is_active(ticket.phase)
    if turn.intent.act not in (TALK if by_person else ASIDES) or is_thanks:
        return None
    return None if await is_spam(turn.session, ticket) else ticket


async def in_human_hands(turn: Turn) -> Ticket | None:
    """The ticket spoken of last in this conversation that people have."""
    return next((one for one in await _about(turn) if one.level > Level.BOT_LANE or one.assignee_id), None)


async def find_waiting(turn: Turn) -> Ticket | None:
    """The unsettled ticket spoken of last in this conversation, whoever has it."""
    return next(iter(await _about(turn)), None)


async def _about(turn: Turn) -> list[Ticket]:
    """The unsettled tickets that these words may be about, the likeliest first; said in a topic, only its own."""
    if turn.here is not None:
        return [turn.here] if is_active(turn.here.phase) else []
    return await turn.parts.desk.words_about(turn.session, turn.now, turn.conversation)


async def find_settled(turn: Turn) -> Ticket | None:
    """The ticket of this conversation that ended last, while a reply may still be about it."""
    return turn.here or await turn.parts.desk.find_settled(turn.session, turn.now, turn.conversation)


async def pass_on(turn: Turn, ticket: Ticket, *, silently: bool = False) -> None:
    """Let the buyer's words stand on the ticket; say so once per ticket."""
    assert turn.message is not None
    heard = await turn.parts.desk.hear(turn.session, turn.now, ticket, turn.message)
    turn.forget_misses()
    if heard.became != Became.HEARD or (turn.state.told != heard.ticket.id and not silently):
        turn.state = replace(turn.state, told=heard.ticket.id or 0)
        facts = {"number": heard.ticket.number, "old": ticket.number, "place": await place(turn, heard.ticket)}
        await turn.tell(TOLD[heard.became], ticket=heard.ticket, **facts)


async def place(turn: Turn, ticket: Ticket) -> str:
    """Where the ticket stands, in words: under a name of the owner's own, if it has one."""
    where = await _place(turn, ticket)
    if ticket.status == ticket.phase:
        return where
    status = word_of(turn.parts.desk.rules, turn.parts.say, turn.language, ticket.status)
    return turn.word("ticket.place.named", status=status, place=where)


async def _place(turn: Turn, ticket: Ticket) -> str:
    if not is_active(ticket.phase):
        return turn.word(f"status.{ticket.phase}")
    if ticket.phase == Phase.WAITING and ticket.warned_at and ticket.closes_at:
        return turn.word("ticket.place.closing", at=turn.at(ticket.closes_at))
    if ticket.phase == Phase.WAITING:
        return turn.word("ticket.place.waiting")
    if ticket.assignee_id is not None:
        agent = await turn.session.get_one(Agent, ticket.assignee_id)
        return turn.word("ticket.place.taken", agent=agent.name)
    if ticket.snoozed_until is not None:
        return turn.word("ticket.place.snoozed")
    ahead = await turn.parts.desk.position(turn.session, turn.now, ticket) - 1
    expected_at = None if ahead < 0 else await turn.parts.desk.expected_at(turn.session, turn.now, ticket, ahead)
    if expected_at is None:
        return turn.word("ticket.place.next") if ahead < 1 else turn.word("ticket.place.queued", ahead=ahead)
    wait = turn.span(-(-(expected_at - turn.now) // ESTIMATE_STEP) * ESTIMATE_STEP)
    if ahead < 1:
        return turn.word("ticket.place.next_about", wait=wait)
    return turn.word("ticket.place.queued_about", ahead=ahead, wait=wait)


async def _at_the_latest(turn: Turn, ticket: Ticket) -> str:
    """Until when it will be answered, as long as that is promised and not late."""
    owed = [clock for clock in await clocks.running(turn.session, ticket) if clock.metric == Metric.HANDLING]
    if ticket.phase != Phase.OPEN or not owed or owed[-1].due_at <= turn.now:
        return ""
    return turn.word("ticket.at_the_latest", at=turn.at(owed[-1].due_at))


async def own_place(turn: Turn) -> str:
    """Where the buyer stands in the queue, in words; that they do not, when nothing of theirs waits."""
    ticket = await find_waiting(turn)
    return await place(turn, ticket) if ticket else turn.word("ticket.place.nowhere")


async def _active(turn: Turn) -> list[Ticket]:
    return await turn.parts.desk.open_tickets(turn.session, turn.now, turn.conversation.buyer_id)


async def _subject(turn: Turn) -> str:
    """What the buyer was last heard to say in words of their own: no command, no button, no password, no hello.

    A question that was pressed is theirs too. Words that ask for a person are the last choice.
    """
    pressed = select(Button.label).where(
        Button.conversation_id == turn.conversation.id, col(Button.action).not_in((Act.CHOOSE, Act.RELATED))
    )
    own = (
        select(Message.id, Message.text)
        .where(Message.conversation_id == turn.conversation.id, Message.direction == Direction.IN)
        .where(col(Message.text).not_in(pressed))
        .order_by(col(Message.id).desc())
        .limit(WORDS_KEPT_IN_MIND)
    )
    said = [(number, text) for number, text in (await turn.session.exec(own)).all() if _is_matter(text)]
    asking = turn.message.id if turn.message is not None and turn.intent.act == Act.HUMAN else None
    before = [text for number, text in said if number != asking]
    return next(iter([*before, *(text for _, text in said)]), turn.word("ticket.subject_asked"))


def _is_matter(text: str) -> bool:
    """Whether it says what a ticket is about; who asks for a place in line does not."""
    return reading.is_matter(text) and not (standing.asks_place(text) or standing.asks_how_long(text))


def _hours(turn: Turn) -> str:
    return turn.word("ticket.hours", hours=turn.parts.hours) if turn.parts.hours else ""
