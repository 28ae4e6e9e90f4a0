"""Claims: what a buyer says about one code of one order, and what becomes of it.

A claim is settled by the ledger in the same transaction, or waits for its screenshot, or opens a ticket; several codes
of one order that are claimed together share it. One code has one open claim at most, and the ledger issues one
replacement per code, whoever files how often at once. Another buyer's claim about a code whose claim is open is set
aside: it has no outcome, but `decided_at` from its beginning, and such claims of one order share a ticket of their own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlmodel.ext.asyncio.session import AsyncSession

from audit.errors import KadeskError
from shop import refunds
from shop.errors import AlreadyReplaced, ChainTooLong, PoolEmpty
from shop.port import CodeRef, Order, OrderStatus, Origin
from shop.provenance import Source
from shop.sources import learn_sources
from shop.tables import Proof
from tickets import filing, pictures, warranty
from tickets.cases import Case, read_case
from tickets.claim_states import ClaimState
from tickets.contested import CONTESTED, note_rivals
from tickets.errors import BreakerOpen
from tickets.filing import Known
from tickets.grants import Grants
from tickets.issuing import ClaimRules as ClaimRules
from tickets.issuing import Settled as Settled
from tickets.tables import Category, Claim, Conversation, Level, Phase, Ticket, Trigger
from tickets.tables import Outcome as Outcome
from tickets.tables import Reason as Reason

# What the ledger and the breakers refuse, as the `why` of a claim.
REFUSALS: dict[type[KadeskError], str] = {
    AlreadyReplaced: "already_replaced",
    ChainTooLong: "chain_too_long",
    PoolEmpty: "pool_empty",
    BreakerOpen: "breaker",
}
# Where a screenshot can still change what becomes of a claim; else nobody is asked for one.
OPEN_TO_PROOF = frozenset({None, "reason", "over_limit"})
TIMES_ASKED = 2  # for the screenshot of one code; then a person looks without


@dataclass(frozen=True, slots=True)
class Stop:
    """What keeps the bot from replacing a code by itself."""

    why: str
    state: ClaimState = ClaimState.REVIEW


class Gate(Protocol):
    """Something that is asked about each claim before the bot decides, whoever will: it may stop the claim."""

    async def __call__(self, session: AsyncSession, now: datetime, claim: Claim, order: Order) -> Stop | None: ...


def why_not(
    now: datetime, order: Order, reason: Reason, rules: ClaimRules, ends_at: datetime | None = None
) -> str | None:
    """Why the bot may not replace a code by itself; None when it may.

    The warranty ends at `ends_at`, or as the order alone says.
    """
    last = ends_at or warranty.ends_at(order)
    if order.refunded > 0:
        return "refunded"
    if order.status != OrderStatus.DELIVERED or last is None:
        return "not_delivered"
    if reason not in rules.auto_reasons:
        return "reason"
    if order.goods.price > rules.auto_limit:
        return "over_limit"
    return None if warranty.covers(last, now) else "warranty_over"


@dataclass(frozen=True)
class Claims(Grants):
    """The verbs of a claim."""

    gates: Sequence[Gate] = ()

    async def file(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        order: Order,
        code: CodeRef,
        reason: Reason,
    ) -> Settled:
        """`file_all` for one code."""
        return (await self.file_all(session, now, conversation, order, [code], reason))[0]

    async def file_all(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        order: Order,
        codes: Collection[CodeRef],
        reason: Reason,
        words: str = "",
        origins: Mapping[str, Origin] | None = None,
    ) -> Sequence[Settled]:
        """Settle a claim per code at once where the rules allow it, else open one ticket; filed again, it is found.

        Whoever has a replacement that nobody has seen yet gets its link again, never another code. What many wait for
        is held from the beginning and in one order (ticket, batches, codes by position), so that no two wait for each
        other. `words` are the buyer's own about what the shop or the game said, masked;
        `origins` is where the shop says that codes came from, by fingerprint.
        """
        known = await self._hold(session, conversation, order)
        await filing.hold_batches(session, codes)
        sources = await learn_sources(session, now, order, origins or {})
        cases = [
            (code, await read_case(session, order.shop, order.order_no, code.fingerprint))
            for code in sorted(codes, key=lambda code: code.position)
        ]
        filed = [
            (await self._file(session, now, conversation, order, code, reason, case), case) for code, case in cases
        ]
        for one, _ in filed:
            claim = one if isinstance(one, Claim) else one.claim
            filing.note(claim, words, sources.get(claim.fingerprint))
        # None is judged before all are there: how many they are is a fact about each.
        settled = [
            await self._judge(session, now, one, order, case) if isinstance(one, Claim) else one for one, case in filed
        ]
        return await self._bring_to_people(session, now, conversation, settled, known)

    async def take_proof(
        self, session: AsyncSession, now: datetime, conversation: Conversation, order: Order, words: str = ""
    ) -> Sequence[Settled]:
        """A screenshot has come: judge the claims about this order that waited for it; empty when none did.

        One that comes a little too late files them again. `words` came with it, as in `file_all`.
        """
        known = await self._hold(session, conversation, order)
        claims = await filing.awaiting_proof(session, conversation, order.shop, order.order_no)
        await filing.hold_batches(session, [filing.code_of(claim) for claim in claims])
        settled = []
        for claim in claims:
            filing.note(claim, words)
            filing.move(session, now, claim, ClaimState.TRIAGE, f"buyer:{claim.buyer_id}")
            case = await read_case(session, order.shop, order.order_no, claim.fingerprint)
            settled.append(await self._judge(session, now, claim, order, case, has_proof=True))
        for late in await filing.unproved(session, now, conversation, order):
            code, reason = filing.code_of(late), Reason(late.reason)
            case = await read_case(session, order.shop, order.order_no, code.fingerprint)
            one = await self._file(session, now, conversation, order, code, reason, case)
            source = Source(late.supplier_id, late.batch_id) if late.supplier_id is not None else None
            filing.note(one if isinstance(one, Claim) else one.claim, late.error_text or words, source)
            if isinstance(one, Claim):
                one = await self._judge(session, now, one, order, case, has_proof=True)
            settled.append(one)
        return await self._bring_to_people(session, now, conversation, settled, known)

    async def go_without_proof(
        self, session: AsyncSession, now: datetime, conversation: Conversation, why: str = "no_proof"
    ) -> Sequence[Settled]:
        """There is no screenshot to judge: a person looks at the claims of this conversation that waited for one."""
        brought: list[Settled] = []
        for shop, order_no in await filing.orders_to_prove(session, conversation):
            known, stopped = await filing.find_tickets(session, conversation, shop, order_no), []
            for claim in await filing.awaiting_proof(session, conversation, shop, order_no):
                await pictures.attach(session, now, claim)
                filing.move(session, now, claim, ClaimState.REVIEW, f"buyer:{claim.buyer_id}", why=why)
                claim.why = why
                stopped.append(Settled(claim, "ticket", why))
            brought += await self._bring_to_people(session, now, conversation, stopped, known)
        return brought

    async def _hold(self, session: AsyncSession, conversation: Conversation, order: Order) -> Known:
        """The tickets of this conversation about the order; and from here on nobody else refunds or replaces."""
        known = await filing.find_tickets(session, conversation, order.shop, order.order_no)
        await refunds.hold_order(session, order.shop, order.order_no, order.goods.currency)
        return known

    async def _file(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        order: Order,
        code: CodeRef,
        reason: Reason,
        case: Case,
    ) -> Settled | Claim:
        """What there is to say already, or a claim to be judged; what comes to people has no ticket yet."""
        if (again := await self._link_again(session, now, conversation, order, case)) is not None:
            return again
        known = await filing.find_undecided(session, conversation.buyer_id, order, code) if case.filed else None
        claim = known or await filing.create(session, now, conversation, order, code, reason, case)
        if claim.ticket_id is not None:
            ticket = await session.get_one(Ticket, claim.ticket_id)
            return Settled(claim, "ticket", claim.why or "", ticket=ticket, is_repeat=True)
        if claim.state == ClaimState.EVIDENCE:
            return Settled(claim, "proof", claim.why or "", is_repeat=True)
        if claim.state == ClaimState.FETCHING:
            return Settled(claim, "fetching", claim.why or "", is_repeat=True)
        if claim.decided_at is not None:
            return self._stop(session, now, claim, Stop(CONTESTED))
        return claim

    async def _judge(
        self, session: AsyncSession, now: datetime, claim: Claim, order: Order, case: Case, *, has_proof: bool = False
    ) -> Settled:
        await self.desk.weigh_batch(session, now, claim)  # before it is judged: others' claims speak for this one
        stop = await self._find_stop(session, now, claim, order, case, has_proof)
        if stop is None:
            try:
                link = await self.issue_or_fetch(session, now, claim, order, "bot")
            except (AlreadyReplaced, ChainTooLong, PoolEmpty, BreakerOpen) as refusal:
                stop = Stop(REFUSALS[type(refusal)])
            else:
                claim.why = "auto"
                return Settled(claim, "replaced" if link else "fetching", "auto", link=link)
        return self._stop(session, now, claim, stop)

    def _stop(self, session: AsyncSession, now: datetime, claim: Claim, stop: Stop) -> Settled:
        claim.why = stop.why
        filing.move(session, now, claim, stop.state, "bot", why=stop.why)
        return Settled(claim, "proof" if stop.state == ClaimState.EVIDENCE else "ticket", stop.why)

    async def _find_stop(
        self, session: AsyncSession, now: datetime, claim: Claim, order: Order, case: Case, has_proof: bool
    ) -> Stop | None:
        why = why_not(now, order, Reason(claim.reason), self.rules, case.warranty_end(order))
        if why is None and case.outcomes_beside(claim.id):
            why = "decided_before"
        if case.history.replaced_by is not None:
            why = "already_replaced"
        stops = [stop for gate in self.gates if (stop := await gate(session, now, claim, order)) is not None]
        if held := next((stop for stop in stops if stop.state == ClaimState.HELD), None):
            return held
        # Who proved the first code is not asked again about the one that was given for it.
        needs_proof = order.goods.proof == Proof.SCREENSHOT and claim.round == 1 and why in OPEN_TO_PROOF
        if needs_proof and not has_proof and not await filing.has_picture(session, now, claim):
            is_tried = case.count_silent(claim.buyer_id) >= TIMES_ASKED
            return Stop("no_proof") if is_tried else Stop("proof", ClaimState.EVIDENCE)
        return Stop(why) if why is not None else next(iter(stops), None)

    async def _bring_to_people(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        settled: Sequence[Settled],
        known: Known,
    ) -> Sequence[Settled]:
        """One ticket, known or new, for all that came to people; beside it one for all that other buyers claim.

        A ticket that waits for its buyer is left alone, unless it is claimed there again: that is their word.
        """
        for ticket in known:
            if ticket is not None and any(one.ticket is ticket for one in settled):
                await self.desk.wait_on(session, now, ticket)
        new = [one.claim for one in settled if one.kind == "ticket" and one.ticket is None]
        found: dict[int | None, Ticket] = {}
        for ticket, is_contested in ((known.shared, False), (known.contested, True)):
            if claims := [claim for claim in new if (claim.why == CONTESTED) == is_contested]:
                here = ticket if ticket is not None and ticket.phase == Phase.OPEN else None
                here = await self.open_ticket(session, now, conversation, claims, here)
                found |= {claim.id: here for claim in claims}
                if is_contested:
                    await note_rivals(session, now, self.desk, here, claims)
        return [replace(one, ticket=found.get(one.claim.id, one.ticket)) for one in settled]

    async def open_ticket(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        claims: Sequence[Claim],
        ticket: Ticket | None = None,
    ) -> Ticket:
        """Bring claims that have no outcome to people: to this ticket, or to a new one."""
        first = claims[0]
        is_urgent = any(claim.why == "pool_empty" for claim in claims)  # the buyer is in the right, goods are missing
        level, trigger = (Level.HUMAN_QUEUE, Trigger.POOL_EMPTY) if is_urgent else (Level.BOT_LANE, "")
        if ticket is None:
            masked = "、".join(claim.masked for claim in claims)
            facts = {"order_ref": f"{first.shop}/{first.order_no}", "product": first.sku}
            subject = f"{first.product_name} {masked}"
            ticket = await self.desk.open(
                session, now, conversation, Category.CLAIM, subject, level=level, trigger=trigger, **facts
            )
        elif is_urgent:
            await self.desk.escalate(session, now, ticket, level, trigger, actor=f"buyer:{ticket.buyer_id}")
        for claim in claims:
            claim.ticket_id = ticket.id
            session.add(claim)
        await session.flush()
        await self.desk.join_incident(session, now, ticket, claims)
        await self.desk.put_to_suppliers(session, now, claims)
        return ticket
