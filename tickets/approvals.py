"""Approvals: what is worth more than the owner's limit is asked for by one person and granted by another.

Who may grant is an active lead, or above, who did not ask; the database refuses the same person. Where there is nobody
like that, asking is refused with a sentence that says so: nothing is recorded that could wait for ever.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.once import add_once
from audit.trail import record
from shop.money import in_words
from tickets.desk import Desk
from tickets.errors import NotAllowed
from tickets.money_errors import AlreadyAsked, NeedsSecondPerson, NobodyToAgree, SamePerson, UnknownApproval
from tickets.rights import is_lead
from tickets.rules import MoneyRules
from tickets.staff import get_agent
from tickets.tables import Agent, Approval, Claim, Outcome, Role, Ticket, id_of


def needs_second(rules: MoneyRules, amount: int) -> bool:
    """Whether so much is not for one person to decide."""
    return rules.two_persons is not None and amount > rules.two_persons


async def require_granted(session: AsyncSession, rules: MoneyRules, claim: Claim, agent: Agent) -> None:
    """Raises `NeedsSecondPerson` unless this agent has granted, as the second person, what another asked for."""
    if not needs_second(rules, claim.price):
        return
    granted = (Approval.claim_id == claim.id, col(Approval.is_granted).is_(True), Approval.decided_by_id == agent.id)
    if (await session.exec(select(Approval.id).where(*granted, Approval.action == Outcome.REPLACE))).first() is None:
        raise NeedsSecondPerson(amount=in_words(claim.price, claim.currency))


async def find_open(session: AsyncSession, claim_id: int | None, actions: Collection[Outcome]) -> Approval | None:
    """The question about one of these for this claim that nobody has answered."""
    asked = select(Approval).where(Approval.claim_id == claim_id, col(Approval.decided_at).is_(None))
    return (await session.exec(asked.where(col(Approval.action).in_(actions)))).first()


async def get_open(session: AsyncSession, approval_id: int) -> Approval:
    """An open question; raises `UnknownApproval`."""
    approval = await session.get(Approval, approval_id)
    if approval is None or approval.decided_at is not None:
        raise UnknownApproval(approval=approval_id)
    return approval


async def tell_others(
    session: AsyncSession,
    now: datetime,
    desk: Desk,
    ticket: Ticket,
    agent_id: int,
    action: Outcome,
    amount: int,
    currency: str,
) -> None:
    """Notices to all who could be the second person; raises `NobodyToAgree` when there is none."""
    others = await who_may_grant(session, agent_id)
    if not others:
        raise NobodyToAgree(limit=in_words(desk.rules.money.two_persons or 0, currency))
    asker = await get_agent(session, agent_id)
    what = desk.say(desk.rules.staff_language, f"approval.{action}")
    facts: dict[str, Any] = {"agent": asker.name, "amount": in_words(amount, currency), "what": what}
    for other in others:
        await desk.tell_staff(session, now, ticket, "notice.second_person", agent_id=other, **facts)


async def write(
    session: AsyncSession,
    now: datetime,
    ticket: Ticket,
    claim: Claim,
    agent_id: int,
    action: Outcome,
    amount: int,
    currency: str,
) -> Approval:
    """The question; raises `AlreadyAsked` when one about this claim is open."""
    approval = Approval(
        ticket_id=id_of(ticket),
        claim_id=id_of(claim),
        action=action,
        amount=amount,
        currency=currency,
        asked_by_id=agent_id,
        asked_at=now,
    )
    if not await add_once(session, approval):
        raise AlreadyAsked(number=ticket.number)
    after = {"action": action, "amount": amount, "currency": currency, "approval": approval.id}
    record(session, now, f"agent:{agent_id}", "approval.asked", f"claim:{claim.id}", None, after)
    return approval


async def answer(session: AsyncSession, now: datetime, approval: Approval, agent: Agent, *, granted: bool) -> None:
    """The second person's word; raises `NotAllowed` for an agent, `SamePerson`, `UnknownApproval`."""
    if not is_lead(agent):
        raise NotAllowed(role=agent.role, verb="agree as the second person")
    if approval.asked_by_id == agent.id:
        raise SamePerson()
    await _close(session, now, approval, f"agent:{agent.id}", decided_by_id=agent.id, is_granted=granted)


async def take_back(session: AsyncSession, now: datetime, approval: Approval, agent_id: int) -> None:
    """Who asked does so no more; raises `UnknownApproval`."""
    await _close(session, now, approval, f"agent:{agent_id}", decided_by_id=None, is_granted=False)


async def waiting(session: AsyncSession) -> Sequence[tuple[Approval, Claim, Ticket]]:
    """The replacements that wait for a second person, the longest waiting first."""
    found = await session.exec(
        select(Approval, Claim, Ticket)
        .join(Claim, col(Claim.id) == col(Approval.claim_id))
        .join(Ticket, col(Ticket.id) == col(Approval.ticket_id))
        .where(*is_waiting())
        .order_by(col(Approval.asked_at), col(Approval.id))
    )
    return found.all()


def is_waiting() -> tuple[ColumnElement[bool], ...]:
    """Which replacements wait for a second person; a refund says so itself."""
    return (col(Approval.decided_at).is_(None), col(Approval.action) == Outcome.REPLACE)


async def who_may_grant(session: AsyncSession, asker_id: int) -> Sequence[int]:
    """Active leads and above, but who asks; whoever is away hears of it too."""
    leads = [role for role in Role if role.rank >= Role.LEAD.rank]
    others = select(Agent.id).where(
        col(Agent.role).in_(leads), col(Agent.is_active).is_(True), col(Agent.id) != asker_id
    )
    return [found for found in (await session.exec(others.order_by(col(Agent.id)))).all() if found is not None]


async def _close(
    session: AsyncSession, now: datetime, approval: Approval, actor: str, *, decided_by_id: int | None, is_granted: bool
) -> None:
    values = {"decided_at": now, "decided_by_id": decided_by_id, "is_granted": is_granted}
    guard = (col(Approval.id) == approval.id, col(Approval.decided_at).is_(None))
    changed = await session.exec(
        update(Approval).where(*guard).values(**values).execution_options(synchronize_session=False)
    )
    await session.refresh(approval)
    if changed.rowcount != 1:
        raise UnknownApproval(approval=approval.id)
    word = "granted" if is_granted else ("refused" if decided_by_id is not None else "taken_back")
    record(session, now, actor, f"approval.{word}", f"claim:{approval.claim_id}", None, {"approval": approval.id})
