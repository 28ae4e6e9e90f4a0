"""What pages show of refunds and of replacements that wait for a second person, and what the reader may do to each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.tables import Refund, RefundState
from tickets import approvals
from tickets.refunds import Refunds
from tickets.rights import is_lead
from tickets.rules import MoneyRules
from tickets.tables import Agent, Approval, Buyer, Claim, Ticket, id_of

# Tab → which refunds; what waits for a person comes first.
TABS: dict[str, tuple[Any, ...]] = {
    "waiting": (col(Refund.state) == RefundState.REQUESTED,),
    "manual": (col(Refund.state) == RefundState.MANUAL,),
    "approved": (col(Refund.state) == RefundState.APPROVED,),
    "done": (col(Refund.state) == RefundState.DONE,),
    "ended": (col(Refund.state).in_([RefundState.REFUSED, RefundState.FAILED]),),
    "all": (),
}


@dataclass(frozen=True, slots=True)
class RefundCard:
    """A refund, the ticket that it is carried on, who asked, and who decided."""

    refund: Refund
    number: str
    asked_by: str
    decided_by: str
    may_approve: bool  # the reader
    may_pay: bool  # the reader
    needs_second: bool
    masked: str  # the code; "" of a whole order

    @property
    def is_live(self) -> bool:
        return self.refund.state not in (RefundState.REFUSED, RefundState.FAILED)


@dataclass(frozen=True, slots=True)
class SecondCard:
    """A replacement that waits for a second person."""

    approval: Approval
    claim: Claim
    ticket: Ticket
    asked_by: str
    is_own: bool  # the reader asked
    may_grant: bool


@dataclass(frozen=True, slots=True)
class Board:
    """What the page of a ticket shows of money."""

    rules: MoneyRules
    cards: list[RefundCard] = field(default_factory=list)
    seconds: dict[int, SecondCard] = field(default_factory=dict)  # by claim

    def of(self, claim: Claim | None) -> list[RefundCard]:
        """The refunds of a claim; None: those of the order."""
        return [card for card in self.cards if card.refund.claim_id == (claim.id if claim is not None else None)]

    def may_ask(self, claim: Claim | None) -> bool:
        """Whether nothing is under way or done that stands against asking."""
        return not any(card.is_live for card in self.cards if claim is None or card.refund.claim_id in (claim.id, None))

    def needs_second(self, claim: Claim) -> bool:
        """Whether its replacement is not for one person to grant."""
        return approvals.needs_second(self.rules, claim.price)


async def board_of(session: AsyncSession, verbs: Refunds, reader: Agent, ticket: Ticket) -> Board:
    claims = select(Claim.id).where(Claim.conversation_id == ticket.conversation_id)
    mine = or_(col(Refund.ticket_id) == ticket.id, col(Refund.claim_id).in_(claims))
    seconds = [card for card in await second_cards(session, reader) if card.ticket.id == ticket.id]
    return Board(
        verbs.rules, await cards_of(session, verbs, reader, mine), {id_of(card.claim): card for card in seconds}
    )


async def cards_of(
    session: AsyncSession, verbs: Refunds, reader: Agent, *which: Any, limit: int = 50
) -> list[RefundCard]:
    """The refunds, those that wait for a decision or a payment oldest first; of the others the newest first."""
    found = await session.exec(
        select(Refund, Ticket.number)
        .join(Ticket, col(Ticket.id) == col(Refund.ticket_id))
        .where(*which)
        .order_by(col(Refund.id).desc())
        .limit(limit)
    )
    rows = found.all()
    names = await _names(session, [actor for refund, _ in rows for actor in (refund.requested_by, refund.decided_by)])
    cards = [
        RefundCard(
            refund=refund,
            number=number,
            asked_by=names.get(refund.requested_by, refund.requested_by),
            decided_by=names.get(refund.decided_by or "", refund.decided_by or ""),
            may_approve=refund.state == RefundState.REQUESTED and await verbs.may_approve(session, reader, refund),
            may_pay=await verbs.may_pay(session, id_of(reader), refund),
            needs_second=await verbs.needs_second(session, refund),
            masked=refund.facts.get("masked", ""),
        )
        for refund, number in rows
    ]
    is_waiting = {RefundState.REQUESTED, RefundState.MANUAL}
    return cards[::-1] if cards and all(card.refund.state in is_waiting for card in cards) else cards


async def second_cards(session: AsyncSession, reader: Agent) -> list[SecondCard]:
    """The replacements that wait, the longest waiting first."""
    rows = await approvals.waiting(session)
    names = await _names(session, [f"agent:{approval.asked_by_id}" for approval, _, _ in rows])
    return [
        SecondCard(
            approval,
            claim,
            ticket,
            names.get(f"agent:{approval.asked_by_id}", ""),
            is_own=approval.asked_by_id == reader.id,
            may_grant=is_lead(reader) and approval.asked_by_id != reader.id,
        )
        for approval, claim, ticket in rows
    ]


async def count_tabs(session: AsyncSession) -> dict[str, int]:
    """How many refunds each tab holds; replacements that wait for a second person count as waiting."""
    found = await session.exec(select(Refund.state, func.count(col(Refund.id))).group_by(col(Refund.state)))
    states: dict[str, int] = dict(found.all())
    ended = states.get(RefundState.REFUSED, 0) + states.get(RefundState.FAILED, 0)
    return {
        "waiting": states.get(RefundState.REQUESTED, 0) + await _count_seconds(session),
        **{state: states.get(state, 0) for state in ("manual", "approved", "done")},
        "ended": ended,
        "all": sum(states.values()),
    }


async def count_work(session: AsyncSession, reader: Agent) -> int:
    """What waits for this reader: a payment by hand and, for leads, a yes or no."""
    wanted = [RefundState.MANUAL, *([RefundState.REQUESTED] if is_lead(reader) else [])]
    counted = select(func.count(col(Refund.id))).where(col(Refund.state).in_(wanted))
    own = (await session.exec(counted)).one()
    return own + (await _count_seconds(session) if is_lead(reader) else 0)


async def _count_seconds(session: AsyncSession) -> int:
    return (await session.exec(select(func.count(col(Approval.id))).where(*approvals.is_waiting()))).one()


async def _names(session: AsyncSession, actors: Sequence[str | None]) -> dict[str, str]:
    """Audit actors as people call them."""
    ids = {
        kind: {int(actor.partition(":")[2]) for actor in actors if actor and actor.startswith(kind)}
        for kind in ("agent:", "buyer:")
    }
    agents = await session.exec(select(Agent.id, Agent.name).where(col(Agent.id).in_(ids["agent:"])))
    buyers = await session.exec(select(Buyer.id, Buyer.name).where(col(Buyer.id).in_(ids["buyer:"])))
    return {f"agent:{number}": name for number, name in agents.all()} | {
        f"buyer:{number}": name for number, name in buyers.all()
    }
