"""What follows of an errand for a code: it is handed out like any other, or people are told, or it was sold twice."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from shop import errands, ledger, reveals, taken
from shop.errors import AlreadyReplaced, ChainTooLong, PoolEmpty
from shop.port import CodeRef, Issued, Order, Power
from shop.states import OUT, quarantine
from shop.tables import Code, CodeState, Errand, ErrandState, RevealLink
from tickets import filing, notices
from tickets.changes import lock_ticket
from tickets.claim_states import ClaimState
from tickets.claims import REFUSALS, Claims
from tickets.compensation import REFUNDS, outcomes_before
from tickets.errors import BreakerOpen
from tickets.issuing import Settled
from tickets.lifecycle import is_active
from tickets.links import MARK
from tickets.outbox import post
from tickets.tables import Author, Buyer, Claim, Conversation, Phase, Priority, Reason, Ticket, id_of

LOOKS = tuple(timedelta(minutes=minutes) for minutes in (1, 15, 120))  # for a code that went out, after it was taken
COLLISIONS = 5  # codes of one claim that were sold twice; then people are told
HOUR = timedelta(hours=1)


class Fetched:
    """Verbs of the job that asks the shops. Nothing happens where the try of an errand is not the caller's any more."""

    def __init__(self, claims: Claims) -> None:
        self._claims, self._desk = claims, claims.desk

    async def keep(
        self, session: AsyncSession, now: datetime, errand: Errand, order: Order, issued: Issued, settles: timedelta
    ) -> None:
        """The code came: sealed, and held back until its shop's own sales have settled."""
        if not await errands.is_ours(session, errand):
            return
        code = await taken.keep_taken(session, now, self._claims.vault, order, issued, errand.actor)
        facts = {"reference": issued.reference, "taken_at": now}
        if code is None or code.fingerprint in {one.fingerprint for one in order.codes}:
            # What we gave before, or what this very order was sold: it is nothing new to anybody.
            await errands.move(session, now, errand, ErrandState.COLLIDED, problem="the same code again", **facts)
            await self.tell_managers(session, now, errand, "notice.stock_twice", card=issued.reference)
            await self._try_again(session, now, errand)
        else:
            values = facts | {"code_id": code.id, "not_before": now + settles}
            await errands.move(session, now, errand, ErrandState.TAKEN, **values)

    async def hand_out(self, session: AsyncSession, now: datetime, errand: Errand, settles: timedelta) -> None:
        """Nobody else has the code: its claim gets it, if it still waits for it; else it is in the reserve."""
        claim, ticket = await self._hold(session, errand)
        if errand.code_id is None or not await errands.is_ours(session, errand):
            return
        has_money = bool(REFUNDS & await outcomes_before(session, claim))
        is_wanted = errand.given_up_at is None and claim.state == ClaimState.FETCHING and not has_money
        claim_id = id_of(claim) if is_wanted else None
        is_free = await taken.set_free(session, now, errand.code_id, errand.actor, claim_id)
        look_at = now + LOOKS[0] if settles else None
        why = await self._give(session, now, errand, claim, ticket) if is_wanted and is_free else "pool_empty"
        state = ErrandState.DONE if why is None else ErrandState.KEPT
        await errands.move(session, now, errand, state, look_at=look_at, problem=why if is_wanted else None)
        if why is not None:
            await self._to_people(session, now, errand, claim, ticket, why, is_told=is_wanted)

    async def give_up(
        self,
        session: AsyncSession,
        now: datetime,
        errand: Errand,
        problem: str,
        state: ErrandState | None = None,
        until: datetime | None = None,
    ) -> None:
        """People have the claim from now on. Without a `state` the shop is asked again at `until`: it may have a card
        for us that nobody else gets.
        """
        claim, ticket = await self._hold(session, errand)
        values = {"not_before": until} if until else {}
        given_up_at = errand.given_up_at
        if await errands.move(session, now, errand, state, problem=problem, given_up_at=given_up_at or now, **values):
            if state == ErrandState.DEAD:
                await self.tell_managers(session, now, errand, "notice.errand_dead", problem=problem)
            if given_up_at is None:
                await self._to_people(session, now, errand, claim, ticket, "pool_empty", problem)

    async def collide(
        self, session: AsyncSession, now: datetime, errand: Errand, other: str, order: Order | None
    ) -> None:
        """The shop sold the code to order `other` too: it is put out of use, everybody hears of it, and it is replaced.

        `order` is what the shop says of the order that got it from us, where it went out.
        """
        claim, _ = await self._hold(session, errand)
        if not await errands.collide(session, now, errand, other) or errand.code_id is None:
            return
        code = await session.get_one(Code, errand.code_id, with_for_update=True, populate_existing=True)
        was_out = code.state in OUT
        await self._withdraw(session, now, code, errand, claim)
        facts = {"masked": code.masked, "other": other, "card": errand.reference}
        await self.tell_managers(session, now, errand, "notice.stock_collided", **facts)
        if was_out and order is not None:
            await self._replace_anew(session, now, claim, code, order)
        elif claim.state == ClaimState.FETCHING and errand.given_up_at is None:
            await self._try_again(session, now, errand)

    async def _withdraw(self, session: AsyncSession, now: datetime, code: Code, errand: Errand, claim: Claim) -> None:
        if code.state == CodeState.RESERVED:
            await ledger.release(session, now, code.reserved_for or id_of(claim), errand.actor)
            await session.refresh(code)
        if code.state in {CodeState.FREE, *OUT}:
            await quarantine(session, now, code.id, CodeState(code.state), errand.actor, "sold by the shop as well")
        await reveals.close_links(session, now, code.id, actor=errand.actor)

    async def _replace_anew(self, session: AsyncSession, now: datetime, claim: Claim, code: Code, order: Order) -> None:
        """As if the buyer had come back with it: by the same rules, and by people where those say so."""
        conversation = await session.get_one(Conversation, claim.conversation_id)
        position = next((one.position for one in order.codes if one.fingerprint == code.fingerprint), claim.position)
        ref = CodeRef(code.fingerprint, code.masked, position)
        language = (await session.get_one(Buyer, claim.buyer_id)).language
        await self._say(session, now, conversation, self._desk.say(language, "claim.collided", masked=code.masked))
        settled = await self._claims.file_all(session, now, conversation, order, [ref], Reason.ALREADY_USED)
        await self._tell_buyer(session, now, conversation, language, settled)

    async def _tell_buyer(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        language: str,
        settled: Sequence[Settled],
    ) -> None:
        for one in settled:
            if one.link is not None:
                await self._send_link(session, now, conversation, one.claim, one.link)
            elif one.kind == "ticket" and one.ticket is not None:
                await self._say_ticket(session, now, conversation, one.ticket, "claim.collided_ticket")
            else:
                words = self._desk.say(language, "claim.fetching", masked=one.claim.masked)
                await self._say(session, now, conversation, words)

    async def _give(
        self, session: AsyncSession, now: datetime, errand: Errand, claim: Claim, ticket: Ticket | None
    ) -> str | None:
        """Hand the code that is kept for the claim to its buyer; why not, when a person has to look."""
        order, may_lengthen = filing.order_as_filed(claim), errand.may_lengthen
        try:
            link = await self._claims.issue(session, now, claim, order, errand.actor, may_lengthen=may_lengthen)
        except (AlreadyReplaced, ChainTooLong, PoolEmpty, BreakerOpen) as refusal:
            await ledger.release(session, now, id_of(claim), errand.actor)
            return REFUSALS[type(refusal)]
        agent_id = _agent(errand.actor)
        if agent_id is None or ticket is None or not is_active(ticket.phase):
            claim.why = "auto"
            conversation = await session.get_one(Conversation, claim.conversation_id)
            await self._send_link(session, now, conversation, claim, link, ticket)
        else:
            is_last = not await filing.undecided_of(session, ticket)
            await self._claims.hand_over(session, now, ticket, agent_id, claim, link, is_last=is_last)
        return None

    async def _to_people(
        self,
        session: AsyncSession,
        now: datetime,
        errand: Errand,
        claim: Claim,
        ticket: Ticket | None,
        why: str,
        problem: str = "",
        *,
        is_told: bool = True,
    ) -> None:
        """A person settles the claim that waited for the code; `is_told` off: it waits for something else anyway."""
        if errand.power != Power.ISSUE or claim.state != ClaimState.FETCHING:
            return
        filing.move(session, now, claim, ClaimState.REVIEW, errand.actor, why=why)
        if not is_told:
            return
        claim.why = why
        conversation = await session.get_one(Conversation, claim.conversation_id)
        if ticket is None:
            ticket = (await filing.find_tickets(session, conversation, claim.shop, claim.order_no)).shared
            ticket = ticket if ticket is not None and ticket.phase == Phase.OPEN else None
        ticket = await self._claims.open_ticket(session, now, conversation, [claim], ticket)
        agent_id = _agent(errand.actor)
        if agent_id is not None:
            facts: dict[str, Any] = {"masked": claim.masked, "problem": problem or why}
            await self._desk.tell_staff(session, now, ticket, "notice.fetch_failed", agent_id=agent_id, **facts)
        await self._say_ticket(session, now, conversation, ticket, "claim.fetch_failed")

    async def _try_again(self, session: AsyncSession, now: datetime, errand: Errand) -> None:
        """Another card for the same claim; not for ever."""
        claim, ticket = await self._hold(session, errand)
        if claim.state != ClaimState.FETCHING or errand.given_up_at is not None:
            return
        if await errands.count_collided(session, id_of(claim)) >= COLLISIONS:
            await self._to_people(session, now, errand, claim, ticket, "pool_empty")
            return
        what = (Power.ISSUE, filing.order_as_filed(claim), claim.fingerprint, id_of(claim), errand.actor)
        await errands.want(session, now, *what, may_lengthen=errand.may_lengthen)

    async def _hold(self, session: AsyncSession, errand: Errand) -> tuple[Claim, Ticket | None]:
        """The claim and its ticket as they are now; the ticket is locked first, as everybody does."""
        claim = await session.get_one(Claim, errand.claim_id, populate_existing=True)
        ticket = await lock_ticket(session, claim.ticket_id) if claim.ticket_id is not None else None
        await session.refresh(claim)
        return claim, ticket

    async def _send_link(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        claim: Claim,
        link: RevealLink,
        ticket: Ticket | None = None,
    ) -> None:
        language = (await session.get_one(Buyer, claim.buyer_id)).language
        facts = {"product": claim.product_name, "masked": claim.masked, "until": self._claims.until(link)}
        text = self._desk.say(language, "claim.replaced", link=MARK, **facts)
        outcome = Priority.OUTCOME
        await post(
            session, now, conversation, text, author=Author.BOT, ticket=ticket, priority=outcome, link_id=link.id
        )

    async def _say_ticket(
        self, session: AsyncSession, now: datetime, conversation: Conversation, ticket: Ticket, key: str
    ) -> None:
        promised = ceil(await self._desk.promised(session, ticket) / HOUR)
        text = await self._desk.words(session, ticket, key, hours=promised)
        await self._say(session, now, conversation, text, ticket)

    async def _say(
        self, session: AsyncSession, now: datetime, conversation: Conversation, text: str, ticket: Ticket | None = None
    ) -> None:
        await post(session, now, conversation, text, author=Author.BOT, ticket=ticket, priority=Priority.NOTICE)

    async def tell_managers(
        self, session: AsyncSession, now: datetime, errand: Errand, key: str, **facts: object
    ) -> None:
        """Notices about an errand for those who answer for the shop."""
        claim = await session.get_one(Claim, errand.claim_id)
        about: dict[str, Any] = {"shop": errand.shop, "order": errand.order_no, "product": claim.product_name} | facts
        await tell_managers(session, now, self._claims, key, claim.ticket_id, **about)


async def tell_managers(
    session: AsyncSession, now: datetime, claims: Claims, key: str, ticket_id: int | None = None, **facts: object
) -> None:
    """Notices for those who answer for the shop."""
    rules = claims.desk.rules
    text = claims.desk.say(rules.staff_language, key, **facts)
    await notices.tell_managers(session, now, text, rules.quiet, ticket_id)


def _agent(actor: str) -> int | None:
    kind, _, number = actor.partition(":")
    return int(number) if kind == "agent" else None
