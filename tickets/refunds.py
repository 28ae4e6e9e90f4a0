"""Refunds: asked for, approved by whoever may, carried out by the shop or by a person, and told to the buyer each time.

The ledger of the money is `shop.refunds`; what asks the shop is `tickets.payouts`. A row is locked after its ticket and
the money of its order. Phrases, with their facts: refund.asked, approved, refused, failed {number} {amount}, done {…}
{reference}; notice.refund_asked {number} {subject} {agent} {amount}, refund_wanted {…} {buyer} {amount}, refund_by_hand
{number} {subject} {amount}, refund_failed {…} {problem}.
"""

from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from shop import refunds
from shop.errors import RefundMoved
from shop.money import in_words, share
from shop.port import CodeRef, Order
from shop.tables import Refund, RefundState
from tickets import approvals, compensation, filing, texts
from tickets.changes import changing, lock_ticket
from tickets.desk import Desk
from tickets.errors import InvalidTransition, NoOpenClaim, NotAllowed
from tickets.lifecycle import is_active
from tickets.money_errors import OtherOrder, OverShare, PaidByAsker, ReferenceMissing, SamePerson
from tickets.rights import is_lead, require_hands
from tickets.staff import get_agent
from tickets.tables import Agent, Category, Claim, Outcome, Ticket, id_of

REFERENCE_LIMIT = 120  # characters


class Refunds:
    """The verbs of staff, of the buyer's button, and of the job that asks the shop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.rules = desk.rules.money

    async def ask(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        order: Order,
        *,
        claim_id: int | None = None,
        amount: int | None = None,
    ) -> Refund:
        """An agent asks for a refund of a claim's code, or of the order: of its share, or all that is left, at most.

        Approved at once as far as this agent may; else it waits for a lead or a second person. Raises `OtherOrder`,
        `HeldByColleague`, `InvalidTransition` for a settled ticket, `NoOpenClaim`, `AlreadyCompensated`, `CodeSeen`,
        `OverShare`, `NobodyToAgree`, what the ledger raises.
        """
        ticket = await lock_ticket(session, ticket_id)
        agent = await require_hands(session, ticket, agent_id)
        if not is_active(ticket.phase):  # no promise would run until it is paid
            raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb="refunded")
        claim = await _claim_of(session, ticket, claim_id)
        await _require_order(session, ticket, agent, claim, order)
        code = filing.code_of(claim) if claim is not None else None
        refund = await self.request(session, now, ticket, order, code, f"agent:{agent_id}", claim=claim, amount=amount)
        if await self.needs_second(session, refund):
            await self._ask_second(session, now, ticket, refund, agent)
        elif not await self._may_approve(session, agent, refund):
            await self._tell_leads(session, now, ticket, refund, agent)
        else:
            await self.go_ahead(session, now, ticket, refund, f"agent:{agent_id}", agent_id)
            return refund
        await self._tell_buyer(session, now, ticket, refund, "refund.asked")
        await self._desk.owe(session, now, ticket)
        return refund

    async def request(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        order: Order,
        code: CodeRef | None,
        actor: str,
        *,
        claim: Claim | None = None,
        amount: int | None = None,
    ) -> Refund:
        """Set the money aside, for a code of the order or for all of it, of a locked ticket; nobody has approved it."""
        await refunds.hold_order(session, order.shop, order.order_no, order.goods.currency)
        fingerprint = code.fingerprint if code is not None else None
        await compensation.require_refundable(session, ticket.number, order.shop, order.order_no, fingerprint)
        unit = await _unit_of(session, order, fingerprint)
        left = await refunds.left_of(session, order)
        full = left if code is None else _share_of(order, code, unit)
        if amount is not None and full < amount <= left:  # the rest would be that of codes which may be replaced
            raise OverShare(share=in_words(full, order.goods.currency))
        refund = await refunds.request_refund(
            session,
            now,
            order=order,
            amount=min(full, left) if amount is None else amount,
            actor=actor,
            fingerprint=unit,
            claim_id=claim.id if claim is not None else None,
            ticket_id=ticket.id,
            facts={"code": fingerprint, "masked": code.masked if code is not None else "", "full": full},
        )
        told = {"refund": refund.id, "amount": refund.amount, "currency": refund.currency}
        with changing(session, now, ticket, actor, "ticket.refund_asked", **told):
            ticket.order_ref = ticket.order_ref or f"{order.shop}/{order.order_no}"
        return refund

    async def approve(self, session: AsyncSession, now: datetime, refund_id: int, agent_id: int) -> Refund:
        """Somebody who may says yes: the shop is asked. Of two who must, the first one's yes waits for the second's.

        Raises `NotAllowed`, `SamePerson`, `NobodyToAgree`, `CodeSeen`, `RefundMoved`.
        """
        refund, ticket = await self._lock(session, refund_id)
        agent = await get_agent(session, agent_id)
        if await self.needs_second(session, refund):
            if _first(refund) is None:
                await refunds.agree(session, now, refund, f"agent:{agent_id}")
                await self._ask_second(session, now, ticket, refund, agent)
                return refund
            await self._agree_second(session, now, refund, agent)
        elif not await self._may_approve(session, agent, refund):
            raise NotAllowed(role=agent.role, verb="approve so large a refund")
        await self.go_ahead(session, now, ticket, refund, f"agent:{agent_id}", agent_id)
        return refund

    async def refuse(
        self, session: AsyncSession, now: datetime, refund_id: int, agent_id: int, text: str = ""
    ) -> Refund:
        """It is not paid; `text` tells the buyer why, and is an answer to them. Who asked may take it back this way."""
        refund, ticket = await self._lock(session, refund_id)
        agent = await require_hands(session, ticket, agent_id)
        asked = await approvals.find_open(session, refund.claim_id, compensation.REFUNDS)
        if asked is not None and asked.asked_by_id == agent_id:
            await approvals.take_back(session, now, asked, agent_id)
        elif asked is not None:
            await approvals.answer(session, now, asked, agent, granted=False)
        await refunds.refuse(session, now, refund, f"agent:{agent_id}")
        with changing(session, now, ticket, f"agent:{agent_id}", "ticket.refund_refused", refund=refund.id):
            pass
        words = await self._words(session, ticket, refund, "refund.refused")
        if not text.strip():
            await self._desk.speak(session, now, ticket, agent_id, words, handles=False)
            return refund
        text = texts.tidy(text, self._desk.rules.message_limit)
        await texts.refuse_codes(session, ticket, text)
        if is_active(ticket.phase):
            await self._desk.answer(session, now, ticket, agent_id, f"{words}\n\n{text}")
        else:
            await self._desk.speak(session, now, ticket, agent_id, f"{words}\n\n{text}", handles=False)
        return refund

    async def mark_paid(
        self, session: AsyncSession, now: datetime, refund_id: int, agent_id: int, reference: str
    ) -> Refund:
        """A person has paid what the shop could not; `reference` is the payment's number.

        Raises `ReferenceMissing`, `PaidByAsker`.
        """
        reference = reference.strip()[:REFERENCE_LIMIT]
        if not reference:
            raise ReferenceMissing()
        refund, ticket = await self._lock(session, refund_id)
        await require_hands(session, ticket, agent_id)
        if refund.state != RefundState.MANUAL:
            raise RefundMoved(refund=refund.id, state=refund.state)
        if not await self.may_pay(session, agent_id, refund):
            raise PaidByAsker(limit=in_words(self.rules.two_persons or 0, refund.currency))
        await self._end(session, now, ticket, refund, f"agent:{agent_id}", agent_id, reference)
        return refund

    async def give_up(
        self, session: AsyncSession, now: datetime, refund_id: int, agent_id: int, problem: str
    ) -> Refund:
        """A person could not pay it either; its amount is free again, and the matter open."""
        refund, ticket = await self._lock(session, refund_id)
        await require_hands(session, ticket, agent_id)
        if refund.state != RefundState.MANUAL:
            raise RefundMoved(refund=refund.id, state=refund.state)
        await self._fail(session, now, ticket, refund, f"agent:{agent_id}", problem.strip()[:REFERENCE_LIMIT] or "-")
        return refund

    async def needs_second(self, session: AsyncSession, refund: Refund) -> bool:
        """Whether so much is not for one person to approve; an order that is paid back in parts counts as a whole."""
        return approvals.needs_second(self.rules, await refunds.at_stake(session, refund))

    async def may_approve(self, session: AsyncSession, agent: Agent, refund: Refund) -> bool:
        """Whether this agent's yes would count."""
        if not await self.needs_second(session, refund):
            return await self._may_approve(session, agent, refund)
        first = _first(refund)
        return first is None or (is_lead(agent) and first != f"agent:{agent.id}")

    async def may_pay(self, session: AsyncSession, agent_id: int, refund: Refund) -> bool:
        """Whether this agent may note it as paid: of so much that two must agree, whoever asked for it does not."""
        return refund.requested_by != f"agent:{agent_id}" or not await self.needs_second(session, refund)

    async def go_ahead(
        self, session: AsyncSession, now: datetime, ticket: Ticket, refund: Refund, actor: str, agent_id: int | None
    ) -> None:
        """It is approved: what was given for the code is out of use, and the buyer hears.

        That handles a ticket on which nothing else is to be decided; what it waits for from then on is the payment.
        """
        place = (refund.shop, refund.order_no, refund.facts.get("code"))
        await compensation.make_room(session, now, ticket.number, *place, actor)
        await refunds.approve(session, now, refund, actor)
        with changing(session, now, ticket, actor, "ticket.refund_approved", refund=refund.id):
            if is_active(ticket.phase):
                ticket.assignee_id = ticket.assignee_id or agent_id
        words = await self._words(session, ticket, refund, "refund.approved")
        handles = is_active(ticket.phase) and not await _is_undecided(session, ticket)
        await self._desk.speak(session, now, ticket, agent_id, words, handles=handles)
        if is_active(ticket.phase):
            await self._desk.owe(session, now, ticket)

    # What the shop answered

    async def paid(self, session: AsyncSession, now: datetime, refund_id: int, reference: str) -> None:
        """The shop has paid."""
        refund, ticket = await self._lock(session, refund_id)
        await self._end(session, now, ticket, refund, "system", await _decider(session, refund), reference)

    async def by_hand(self, session: AsyncSession, now: datetime, refund_id: int, problem: str = "") -> None:
        """The shop cannot: it is a task for a person."""
        refund, ticket = await self._lock(session, refund_id)
        await refunds.leave_to_person(session, now, refund, "system", problem)
        queue = await self._desk.find_queue(session, ticket, Category.REFUND)
        with changing(session, now, ticket, "system", "ticket.refund_by_hand", refund=refund.id, queue=queue):
            ticket.queue = queue
        amount = in_words(refund.amount, refund.currency)
        await self._desk.tell_staff(session, now, ticket, "notice.refund_by_hand", amount=amount)

    async def rejected(self, session: AsyncSession, now: datetime, refund_id: int, problem: str) -> None:
        """The shop said no, for good."""
        refund, ticket = await self._lock(session, refund_id)
        await self._fail(session, now, ticket, refund, "system", problem)

    # Within

    async def _lock(self, session: AsyncSession, refund_id: int) -> tuple[Refund, Ticket]:
        """The refund and the ticket in which its matter is now, both locked, the money of its order with them."""
        refund = await refunds.get_refund(session, refund_id)
        ticket = await lock_ticket(session, refund.ticket_id)
        while ticket.merged_into_id is not None:  # meanwhile: the refund has gone along
            ticket = await lock_ticket(session, ticket.merged_into_id)
        await refunds.hold_order(session, refund.shop, refund.order_no, refund.currency)
        return await refunds.get_refund(session, refund_id, for_change=True), ticket

    async def _end(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        refund: Refund,
        actor: str,
        agent_id: int | None,
        reference: str,
    ) -> None:
        """The money is on its way: the claim has its outcome, and with nothing else open the ticket."""
        await refunds.finish(session, now, refund, actor, reference)
        outcome = _outcome_of(refund)
        claim = await session.get(Claim, refund.claim_id) if refund.claim_id is not None else None
        if claim is not None:
            await compensation.settle_claim(session, now, claim, outcome, actor)
        words = await self._words(session, ticket, refund, "refund.done", reference=reference or "-")
        pending = [one for one in await compensation.refunds_of(session, ticket) if one.state != RefundState.DONE]
        if is_active(ticket.phase) and not pending and not await filing.undecided_of(session, ticket):
            await self._desk.conclude(session, now, ticket, agent_id, outcome, words)
        else:
            await self._desk.speak(session, now, ticket, agent_id, words, handles=False)

    async def _fail(
        self, session: AsyncSession, now: datetime, ticket: Ticket, refund: Refund, actor: str, problem: str
    ) -> None:
        await refunds.fail(session, now, refund, actor, problem)
        amount = in_words(refund.amount, refund.currency)
        await self._desk.tell_staff(session, now, ticket, "notice.refund_failed", amount=amount, problem=problem)
        await self._tell_buyer(session, now, ticket, refund, "refund.failed")

    async def _ask_second(
        self, session: AsyncSession, now: datetime, ticket: Ticket, refund: Refund, agent: Agent
    ) -> None:
        value = (_outcome_of(refund), refund.amount, refund.currency)
        claim = await session.get(Claim, refund.claim_id) if refund.claim_id is not None else None
        if claim is not None:
            await approvals.write(session, now, ticket, claim, id_of(agent), *value)
        await approvals.tell_others(session, now, self._desk, ticket, id_of(agent), *value)

    async def _agree_second(self, session: AsyncSession, now: datetime, refund: Refund, agent: Agent) -> None:
        if _first(refund) == f"agent:{agent.id}":
            raise SamePerson()
        if not is_lead(agent):
            raise NotAllowed(role=agent.role, verb="agree as the second person")
        asked = await approvals.find_open(session, refund.claim_id, compensation.REFUNDS)
        if asked is not None:
            await approvals.answer(session, now, asked, agent, granted=True)

    async def _may_approve(self, session: AsyncSession, agent: Agent, refund: Refund) -> bool:
        """Whether one person is enough, and this is one; where there is no lead, an agent is."""
        if is_lead(agent) or await refunds.at_stake(session, refund) <= self.rules.agent_limit:
            return True
        return not await approvals.who_may_grant(session, id_of(agent))

    async def _tell_leads(
        self, session: AsyncSession, now: datetime, ticket: Ticket, refund: Refund, agent: Agent
    ) -> None:
        facts: dict[str, Any] = {"agent": agent.name, "amount": in_words(refund.amount, refund.currency)}
        for lead in await approvals.who_may_grant(session, id_of(agent)):
            await self._desk.tell_staff(session, now, ticket, "notice.refund_asked", agent_id=lead, **facts)

    async def _tell_buyer(self, session: AsyncSession, now: datetime, ticket: Ticket, refund: Refund, key: str) -> None:
        await self._desk.tell_buyer(session, now, ticket, key, amount=in_words(refund.amount, refund.currency))

    async def _words(self, session: AsyncSession, ticket: Ticket, refund: Refund, key: str, **facts: object) -> str:
        return await self._desk.words(session, ticket, key, amount=in_words(refund.amount, refund.currency), **facts)


async def _claim_of(session: AsyncSession, ticket: Ticket, claim_id: int | None) -> Claim | None:
    if claim_id is None:
        return None
    claim = await session.get(Claim, claim_id)
    if claim is None or (claim.ticket_id != ticket.id and claim.conversation_id != ticket.conversation_id):
        raise NoOpenClaim(number=ticket.number)
    return claim


async def _require_order(
    session: AsyncSession, ticket: Ticket, agent: Agent, claim: Claim | None, order: Order
) -> None:
    """Money goes back for the order of the claim, of the ticket, or one that its buyer has proved.

    On a ticket that names none a lead may name any, or an agent where there is no lead: its buyer may have shown
    elsewhere that it is theirs.
    """
    if claim is not None:
        is_theirs = (claim.shop, claim.order_no) == (order.shop, order.order_no)
    else:
        is_theirs = order.order_no in await texts.own_orders(session, ticket)
        if not is_theirs and not ticket.order_ref:
            is_theirs = is_lead(agent) or not await approvals.who_may_grant(session, id_of(agent))
    if not is_theirs:
        raise OtherOrder(number=ticket.number, order_no=order.order_no)


async def _is_undecided(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether somebody has yet to say yes or no to something on this ticket."""
    live = await compensation.refunds_of(session, ticket)
    if any(refund.state == RefundState.REQUESTED for refund in live):
        return True
    agreed = {refund.claim_id for refund in live}
    return any(claim.id not in agreed for claim in await filing.undecided_of(session, ticket))


async def _unit_of(session: AsyncSession, order: Order, fingerprint: str | None) -> str | None:
    if fingerprint is None:
        return None
    return await compensation.sold_code(session, order.shop, order.order_no, fingerprint)


def _share_of(order: Order, code: CodeRef, unit: str | None) -> int:
    """What of the price fell to this code; a replacement stands for the code that was sold."""
    position = next((one.position for one in order.codes if one.fingerprint == unit), code.position)
    return share(order.paid, order.quantity, position)


def _outcome_of(refund: Refund) -> Outcome:
    return Outcome.REFUND if refund.amount >= refund.facts.get("full", 0) else Outcome.PARTIAL_REFUND


def _first(refund: Refund) -> str | None:
    """The first of the two persons who must agree: the agent who asked, or who agreed to what the buyer asked."""
    return refund.requested_by if refund.requested_by.startswith("agent:") else refund.decided_by


async def _decider(session: AsyncSession, refund: Refund) -> int | None:
    """The agent who approved it and is still here: the buyer hears of the payment from them."""
    kind, _, number = (refund.decided_by or "").partition(":")
    agent = await session.get(Agent, int(number)) if kind == "agent" else None
    return agent.id if agent is not None and agent.is_active else None
