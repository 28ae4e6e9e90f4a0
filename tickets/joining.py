"""One matter in two tickets, two matters in one: merging and splitting, by which nobody gains time."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.tables import Refund
from tickets import clocks, joint
from tickets.buyers import SUBJECT_LIMIT
from tickets.changes import changing, enter, get_ticket, lock_ticket, lock_tickets, move, new_number
from tickets.errors import (
    AlreadyMerged,
    InvalidTransition,
    Nested,
    NothingChosen,
    OtherBuyer,
    SameTicket,
    StaleTicket,
)
from tickets.ladder import Ladder
from tickets.lifecycle import is_active
from tickets.relations import relate
from tickets.rights import require_hands, require_rank
from tickets.tables import Approval, Claim, Direction, LinkKind, Message, Phase, Ticket, TicketTag, id_of
from tickets.texts import refuse_codes

# What a ticket that is split off has in common with the one that it was part of.
_SHARED = {"conversation_id", "buyer_id", "category", "queue", "level", "order_ref", "product", "parent_id"}


class Joining(Ladder):
    """The verbs that make one ticket of two, and two of one."""

    async def merge(
        self,
        session: AsyncSession,
        now: datetime,
        source_id: int,
        target_id: int,
        agent_id: int,
        version: int | None = None,
    ) -> Ticket:
        """Go on with the source's matter in the target, as its older half; returns the target.

        The target is due at the earlier instant of both and stands in the queue since the earlier wait. Messages,
        claims, refunds, tags and parts of an incident move; the source closes, and the buyer is told once. `version` is
        the source's. Raises `SameTicket`, `OtherBuyer`, `AlreadyMerged`, `Nested`, `InvalidTransition`, and what stands
        against ending the source (see `tickets.rights`).
        """
        if source_id == target_id:
            raise SameTicket(number=(await get_ticket(session, source_id)).number)
        part_ids = await _part_ids(session, source_id)
        source, target, *parts = await lock_tickets(session, source_id, target_id, *part_ids)
        if part_ids != await _part_ids(session, source_id):
            raise StaleTicket(number=source.number)
        if version is not None and source.version != version:
            raise StaleTicket(number=source.number)
        await _refuse_merge(session, source, target)
        for ticket in (source, target):
            agent = await require_hands(session, ticket, agent_id)
        await require_rank(session, source, agent)
        actor = f"agent:{agent_id}"
        await self.tell_buyer(session, now, source, "ticket.merged", into=target.number)
        if source.phase == Phase.WAITING:
            await clocks.resume(session, now, source, self.rules)  # from here on the target's waiting counts
        await self._take_over(session, now, source, target, actor)
        with changing(session, now, source, actor, "ticket.merged", into=target.number):
            move(source, Phase.CLOSED, "merged")
            source.merged_into_id = target.id
        await joint.join(session, now, source, target, self.rules)
        await _move_belongings(session, now, source, target, actor)
        _move_parts(session, now, parts, target, actor)
        return target

    async def _take_over(
        self, session: AsyncSession, now: datetime, source: Ticket, target: Ticket, actor: str
    ) -> None:
        """What the target stands for from now on: the wait of both, and the hurries of both."""
        was_waiting = target.phase == Phase.WAITING
        with changing(session, now, target, actor, "ticket.joined", source=source.number):
            target.level = max(target.level, source.level)
            target.hurries += source.hurries
            target.hurried_at = max(filter(None, (target.hurried_at, source.hurried_at)), default=None)
            if source.phase == Phase.OPEN:
                target.waiting_since = min(filter(None, (target.waiting_since, source.waiting_since)), default=now)
                await self.queue_up(session, target, now)
        if was_waiting and target.phase == Phase.OPEN:
            await clocks.resume(session, now, target, self.rules)

    async def split(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        message_ids: Collection[int],
        subject: str,
        version: int | None = None,
    ) -> Ticket:
        """Make chosen messages a ticket of their own, linked with the first; returns it. The buyer is told.

        It has waited as long as the first one, and its promises are due when those were: a split never buys time.
        Raises `NothingChosen`, `HeldByColleague`, `CodeInText`, and `InvalidTransition` for a settled ticket.
        """
        ticket = await lock_ticket(session, ticket_id, version)
        await require_hands(session, ticket, agent_id)
        if not is_active(ticket.phase):
            raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb="split")
        await refuse_codes(session, ticket, subject)
        chosen = await _chosen(session, ticket, message_ids)
        asked_at = min(message.created_at for message in chosen if message.direction == Direction.IN)
        actor = f"agent:{agent_id}"
        new = Ticket(
            **ticket.model_dump(include=_SHARED),
            number=new_number(),
            subject=subject.strip()[:SUBJECT_LIMIT] or ticket.subject,
            status=Phase.OPEN,
            created_at=now,
        )
        await enter(session, new)
        with changing(session, now, new, actor, "ticket.split_off", number=new.number, source=ticket.number):
            await self.queue_up(session, new, ticket.waiting_since or asked_at)
        await joint.divide(session, now, ticket, new, new.waiting_since or asked_at, self.rules)
        for message in chosen:
            message.ticket_id = new.id
            session.add(message)
        with changing(session, now, ticket, actor, "ticket.split", into=new.number, messages=len(chosen)):
            pass
        await relate(session, now, new, ticket, LinkKind.SPLIT, actor)
        await self.tell_buyer(session, now, ticket, "ticket.split", new=new.number)
        return new


async def _refuse_merge(session: AsyncSession, source: Ticket, target: Ticket) -> None:
    for ticket in (source, target):
        if ticket.merged_into_id is not None:
            into = await get_ticket(session, ticket.merged_into_id)
            raise AlreadyMerged(number=ticket.number, into=into.number)
    if source.buyer_id != target.buyer_id:
        raise OtherBuyer(number=source.number, other=target.number)
    if source.phase == Phase.CLOSED:
        raise InvalidTransition(number=source.number, phase=source.phase, verb="merged")
    if not is_active(target.phase):
        raise InvalidTransition(number=target.number, phase=target.phase, verb="merged into")
    if target.parent_id is not None and await _part_ids(session, id_of(source)):
        raise Nested(number=source.number, parent=target.number)


async def _part_ids(session: AsyncSession, ticket_id: int) -> Sequence[int]:
    parts = select(Ticket.id).where(Ticket.parent_id == ticket_id).order_by(col(Ticket.id))
    return [part_id or 0 for part_id in (await session.exec(parts)).all()]


async def _move_belongings(session: AsyncSession, now: datetime, source: Ticket, target: Ticket, actor: str) -> None:
    """Messages, claims, refunds, questions for a second person, and tags."""
    await session.exec(update(Message).where(col(Message.ticket_id) == source.id).values(ticket_id=target.id))
    await session.exec(update(Approval).where(col(Approval.ticket_id) == source.id).values(ticket_id=target.id))
    before, after = {"ticket": source.number}, {"ticket": target.number}
    for claim in (await session.exec(select(Claim).where(Claim.ticket_id == source.id))).all():
        claim.ticket_id = target.id
        session.add(claim)
        record(session, now, actor, "claim.moved", f"claim:{claim.id}", before, after)
    for refund in (await session.exec(select(Refund).where(Refund.ticket_id == source.id))).all():
        refund.ticket_id = target.id
        session.add(refund)
        record(session, now, actor, "refund.moved", f"refund:{refund.id}", before, after)
    known = (await session.exec(select(TicketTag.tag).where(TicketTag.ticket_id == target.id))).all()
    tags = select(TicketTag.tag).where(TicketTag.ticket_id == source.id, col(TicketTag.tag).not_in(known))
    session.add_all(TicketTag(ticket_id=id_of(target), tag=tag) for tag in (await session.exec(tags)).all())


def _move_parts(session: AsyncSession, now: datetime, parts: Sequence[Ticket], target: Ticket, actor: str) -> None:
    for part in parts:
        with changing(session, now, part, actor, "ticket.parent_set", parent=target.number):
            part.parent_id = target.id


async def _chosen(session: AsyncSession, ticket: Ticket, message_ids: Collection[int]) -> list[Message]:
    """Messages of this ticket, or of its conversation before there was a ticket; one of them is the buyer's."""
    found = await session.exec(
        select(Message).where(col(Message.id).in_(message_ids)).order_by(col(Message.id)).with_for_update()
    )
    chosen = list(found.all())
    here = [
        one
        for one in chosen
        if one.ticket_id == ticket.id or (one.ticket_id is None and one.conversation_id == ticket.conversation_id)
    ]
    if len(here) != len(set(message_ids)) or not any(one.direction == Direction.IN for one in here):
        raise NothingChosen(number=ticket.number)
    return here
