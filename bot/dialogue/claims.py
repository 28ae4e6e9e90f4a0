"""Codes that do not work: what is wrong with them, the screenshot that may be asked for, and what follows."""

from collections.abc import Sequence
from dataclasses import replace

from bot.channels.port import Kind
from bot.dialogue import reading, tickets
from bot.dialogue.acts import Act
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn
from bot.dialogue.understanding import REASON_OF_ENTRY
from shop.errors import ChainTooLong, PoolEmpty
from shop.masking import mask
from shop.port import CodeRef, Order
from tickets import filing
from tickets.claims import REFUSALS, Settled
from tickets.links import MARK
from tickets.screenshots import Screenshots
from tickets.tables import Claim, Priority, Reason, Ticket

NO_CODE_LEFT = frozenset({REFUSALS[PoolEmpty], REFUSALS[ChainTooLong]})
REASONS = tuple(reason for reason in Reason if reason != Reason.NOT_DELIVERED)  # that one is a flow of its own


def keep_words(turn: Turn) -> None:
    """What a buyer says is wrong with a code, in their own words: kept for who looks at the claim, and the supplier."""
    intent = turn.intent
    typed = reading.what_is_wrong(intent.stored, mask(intent.order_no) if intent.order_no else "")
    if turn.inbound.kind == Kind.PRESS or not typed:
        return
    sure = intent.match.entry if intent.match is not None and intent.match.outcome == "answer" else None
    is_reply = turn.state.step == Step.REASON and intent.act in (Act.REASON, Act.UNCLEAR)
    if is_reply or intent.act == Act.PICTURE or sure in REASON_OF_ENTRY or reading.find_reason(typed):
        turn.state = replace(turn.state, words=typed[: filing.WORDS_LIMIT])


async def go_on(turn: Turn, order: Order) -> None:
    """These are codes of this order: the reason is all that is missing, if it is."""
    if turn.state.reason in REASONS:
        await _file(turn, order, Reason(turn.state.reason))
        return
    turn.go(Step.REASON)
    chosen = picked(turn, order)
    key = "claim.ask_reason" if len(chosen) < 2 else "claim.ask_reasons"
    await turn.tell(key, *_reason_choices(turn, order), turn.person, masked=names(turn, chosen), count=len(chosen))


async def take_reason(turn: Turn) -> None:
    order = turn.looked.order
    if order is None or not picked(turn, order) or turn.intent.argument not in REASONS:
        await excuse(turn)
    else:
        await _file(turn, order, Reason(turn.intent.argument))


async def ask_reason_again(turn: Turn) -> None:
    cancel = turn.choice(Act.CANCEL, "button.cancel")
    await turn.tell("claim.ask_reason_again", *_reason_choices(turn, turn.looked.order), cancel, turn.person)


async def take_picture(turn: Turn) -> None:
    """The screenshot that claims of this conversation wait for."""
    order, of_claims, words = turn.looked.order, turn.parts.claims, _take_words(turn)
    assert turn.message is not None
    asked = (turn.looked.order_no, turn.message, order, words)
    brought = await Screenshots(of_claims).take(turn.session, turn.now, turn.conversation, *asked)
    await _tell_people_know(turn, "claim.proof_passed_on", brought)
    if order is not None:
        settled = await of_claims.take_proof(turn.session, turn.now, turn.conversation, order, words)
    else:  # nobody shall wait for a shop that is away
        settled = await of_claims.go_without_proof(turn.session, turn.now, turn.conversation, "shop_away")
    if settled:
        await turn.tell("claim.proof_seen")
        await _tell(turn, order, settled)
    elif not brought:
        await excuse(turn)


async def go_without_proof(turn: Turn) -> None:
    of_claims, brought = turn.parts.claims, []
    if turn.message is not None:
        brought = [*await Screenshots(of_claims).do_without(turn.session, turn.now, turn.conversation, turn.message)]
    settled = await of_claims.go_without_proof(turn.session, turn.now, turn.conversation)
    turn.rest()
    await _tell_people_know(turn, "claim.no_proof_passed_on", brought)
    if settled:
        await _tell(turn, None, settled)
    elif not brought:
        await excuse(turn)


async def give_links_again(turn: Turn, order: Order, given: Sequence[CodeRef]) -> bool:
    """Whether nobody has looked at one of these replacements yet: its buyer gets the link again."""
    verb = turn.parts.claims.link_again
    found = [await verb(turn.session, turn.now, turn.conversation, order, code) for code in given]
    links = [one for one in found if one is not None]
    if links:
        turn.rest()
        await _tell(turn, order, links)
    return bool(links)


async def list_open(turn: Turn) -> None:
    """What is under way: claims that wait for a screenshot have no ticket yet."""
    waiting = await filing.to_prove(turn.session, turn.conversation)
    if waiting:
        none = turn.choice(Act.NO_PROOF, "button.no_proof")
        await turn.tell("claim.proof_waits", none, turn.person, masked=names(turn, waiting))
    if not waiting or await turn.parts.desk.open_tickets(turn.session, turn.now, turn.conversation.buyer_id):
        await tickets.list_tickets(turn)


async def hand_over(turn: Turn) -> None:
    """A person, in one step; claims that wait for a screenshot come along."""
    await turn.parts.claims.go_without_proof(turn.session, turn.now, turn.conversation)
    await tickets.hand_over(turn)


async def excuse(turn: Turn) -> None:
    """The shop is away, or the button is of another time."""
    if turn.looked.is_down:
        await tickets.excuse_shop(turn)
        return
    turn.rest()
    await turn.tell("button.expired", turn.person)


def names(turn: Turn, chosen: Sequence[CodeRef | Claim]) -> str:
    """Codes as they are called: masked."""
    return turn.listed(code.masked for code in chosen)


def picked(turn: Turn, order: Order) -> list[CodeRef]:
    """The codes picked so far, in the order of their positions; those of another order are forgotten."""
    prints = turn.state.picked.split()
    return [code for code in order.codes if code.fingerprint in prints]


def has_others(turn: Turn, order: Order) -> bool:
    """Whether there are codes that are not picked."""
    return order.quantity > 1 and len(picked(turn, order)) < len(order.codes)


async def _file(turn: Turn, order: Order, reason: Reason) -> None:
    chosen = picked(turn, order)
    words, of_claims = _take_words(turn), turn.parts.claims
    told = (words, turn.looked.origins)
    settled = await of_claims.file_all(turn.session, turn.now, turn.conversation, order, chosen, reason, *told)
    turn.rest()
    await _tell(turn, order, settled)


def _take_words(turn: Turn) -> str:
    """What was said of these codes; it is not said of the next ones."""
    words, turn.state = turn.state.words, replace(turn.state, words="")
    return words


async def _tell(turn: Turn, order: Order | None, settled: Sequence[Settled]) -> None:
    """What became of each: links first, a message for each of them, then what has to wait and for whom."""
    links = [one for one in settled if one.link is not None]
    if len(links) > 1:
        ttl = turn.span(turn.parts.claims.rules.reveal_ttl)
        await turn.tell("claim.replaced_all", count=len(links), ttl=ttl)
    for one in links:
        await _give_link(turn, order, one, is_alone=len(links) == 1, is_last=one is links[-1])
    if fetched := [one.claim for one in settled if one.kind == "fetching"]:
        await turn.tell("claim.fetching", masked=names(turn, fetched))
    if unproved := [one.claim for one in settled if one.kind == "proof"]:
        await _ask_proof(turn, unproved)
    for ticket in {one.ticket.id: one.ticket for one in settled if one.kind == "ticket" and one.ticket}.values():
        await _promise(turn, ticket, [one for one in settled if one.ticket is not None and one.ticket.id == ticket.id])


async def _give_link(turn: Turn, order: Order | None, settled: Settled, *, is_alone: bool, is_last: bool) -> None:
    assert settled.link is not None
    ttl = turn.span(turn.parts.claims.rules.reveal_ttl)
    key = "claim.link_again" if settled.kind == "link" else "claim.replaced_now" if is_alone else "claim.replaced_one"
    text = turn.word(key, masked=settled.claim.masked, link=MARK, ttl=ttl)
    others = order is not None and order.quantity > 1
    more = [turn.choice(Act.USE_ORDER, "button.other_codes", f"claim/{order.order_no}")] if order and others else []
    choices = [*more, turn.person] if is_last else []
    await turn.say(text, *choices, ticket=settled.ticket, priority=Priority.OUTCOME, link_id=settled.link.id)


async def _tell_people_know(turn: Turn, key: str, brought: Sequence[Ticket]) -> None:
    """Whoever asked for the screenshot goes on."""
    if brought:
        turn.rest()
        numbers = turn.listed(ticket.number for ticket in brought)
        await turn.tell(key, turn.choice(Act.TICKETS, "button.tickets"), ticket=brought[-1], numbers=numbers)


async def _ask_proof(turn: Turn, claims: Sequence[Claim]) -> None:
    turn.hold(turn.looked.order)
    within = turn.span(turn.parts.claims.rules.proof_within)
    none = turn.choice(Act.NO_PROOF, "button.no_proof")
    await turn.tell("claim.ask_proof", none, turn.person, masked=names(turn, claims), within=within)


async def _promise(turn: Turn, ticket: Ticket, settled: Sequence[Settled]) -> None:
    turn.file_under(ticket)
    whys: dict[str, list[Claim]] = {}
    for one in settled:
        whys.setdefault("repeat" if one.is_repeat else one.why, []).append(one.claim)
    between = "" if turn.language == "zh" else " "
    why = between.join(turn.word(f"claim.why.{key}", masked=names(turn, about)) for key, about in whys.items())
    promise = turn.span(await turn.parts.desk.promised(turn.session, ticket))
    facts = {"number": ticket.number, "place": await tickets.place(turn, ticket), "promise": promise}
    progress, refund = turn.choice(Act.TICKETS, "button.tickets"), _refund_choices(turn, settled)
    await turn.tell("claim.ticket", progress, *refund, turn.person, ticket=ticket, why=why, **facts)


def _refund_choices(turn: Turn, settled: Sequence[Settled]) -> list[Choice]:
    """Where there is no good code to give, the money is the other way out."""
    stuck = [one.claim for one in settled if one.why in NO_CODE_LEFT]
    choices = [(f"{claim.order_no}/{claim.fingerprint}", claim.masked) for claim in stuck]
    return [turn.choice(Act.REFUND, "button.refund_code", code, masked=masked) for code, masked in choices]


def _reason_choices(turn: Turn, order: Order | None) -> list[Choice]:
    choices = [turn.choice(Act.REASON, f"reason.{reason}", reason) for reason in REASONS]
    if order is not None and has_others(turn, order):
        choices.append(turn.choice(Act.MORE_CODES, "button.more_codes", order.order_no))
    return choices
