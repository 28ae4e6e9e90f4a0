"""Replacements that are worth so much that two persons grant them: one asks, and a code is kept; another grants."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from shop import ledger
from shop.errors import PoolEmpty
from tickets import approvals, filing
from tickets.changes import get_ticket, lock_ticket
from tickets.claims import Claims
from tickets.issuing import Settled
from tickets.rights import is_lead, require_hands
from tickets.staff import get_agent
from tickets.tables import Agent, Approval, Outcome, id_of


class SecondPerson:
    """The verbs of staff."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._desk = claims.desk

    async def replace(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, claim_id: int | None = None
    ) -> Settled | Approval:
        """Grant the replacement of a claim, the oldest of the ticket unless named, or ask a second person for it.

        Where another person has asked, a lead's word is the second. Raises what `Claims.replace` and `ledger.reserve`
        raise, `NobodyToAgree`, `AlreadyAsked`.
        """
        ticket = await lock_ticket(session, ticket_id)
        agent = await require_hands(session, ticket, agent_id)
        claim = (await filing.get_to_grant(session, ticket, claim_id))[0]
        if not approvals.needs_second(self._desk.rules.money, claim.price):
            return await self._claims.replace(session, now, ticket_id, agent_id, claim.id)
        asked = await approvals.find_open(session, claim.id, (Outcome.REPLACE,))
        if asked is not None and asked.asked_by_id != agent_id and is_lead(agent):
            return await self._grant(session, now, asked, agent)
        value = (Outcome.REPLACE, claim.price, claim.currency)
        approval = await approvals.write(session, now, ticket, claim, agent_id, *value)
        await approvals.tell_others(session, now, self._desk, ticket, agent_id, *value)
        order, actor = filing.order_as_filed(claim), f"agent:{agent_id}"
        try:
            await ledger.reserve(session, now, self._claims.vault, claim_id=id_of(claim), order=order, actor=actor)
        except PoolEmpty:
            if not self._claims.may_fetch(claim.shop):
                raise
        await self._desk.owe(session, now, ticket)
        return approval

    async def grant(self, session: AsyncSession, now: datetime, approval_id: int, agent_id: int) -> Settled:
        """The second person agrees: the replacement goes out, as theirs."""
        approval = await approvals.get_open(session, approval_id)
        await lock_ticket(session, approval.ticket_id)
        return await self._grant(session, now, approval, await get_agent(session, agent_id))

    async def refuse(self, session: AsyncSession, now: datetime, approval_id: int, agent_id: int) -> Approval:
        """The second person does not agree, or who asked takes it back; the code that was kept is free again."""
        approval = await approvals.get_open(session, approval_id)
        agent = await get_agent(session, agent_id)
        if approval.asked_by_id == agent_id:
            await approvals.take_back(session, now, approval, agent_id)
        else:
            await approvals.answer(session, now, approval, agent, granted=False)
            ticket, asker = await get_ticket(session, approval.ticket_id), approval.asked_by_id
            await self._desk.tell_staff(session, now, ticket, "notice.second_refused", agent_id=asker, agent=agent.name)
        await ledger.release(session, now, approval.claim_id, f"agent:{agent_id}")
        return approval

    async def _grant(self, session: AsyncSession, now: datetime, approval: Approval, agent: Agent) -> Settled:
        await approvals.answer(session, now, approval, agent, granted=True)
        return await self._claims.replace(session, now, approval.ticket_id, id_of(agent), approval.claim_id)
