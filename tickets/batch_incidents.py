"""Bad batches: claims that pile up on one batch take it off sale, and become one incident with one answer to all.

Claims are counted with the batch held, each in the transaction that filed it: of any number at once one is the last.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from audit.trail import record
from shop import batches
from shop.batches import lock_batch
from shop.tables import Batch, Product, Supplier
from tickets import conversations, lifecycle
from tickets.alarms import Database
from tickets.buyers import BuyersDesk
from tickets.changes import lock_ticket
from tickets.errors import BatchStands, NotAllowed
from tickets.relations import children_of, make_part, relate
from tickets.rights import is_lead
from tickets.staff import get_agent
from tickets.tables import (
    BatchIncident,
    Category,
    Claim,
    Level,
    LinkKind,
    Outcome,
    Ticket,
    Trigger,
    id_of,
)
from tickets.words import INCIDENT

UNTRUE = (Outcome.INSTRUCT, Outcome.REJECT)  # claims that turned out to be so count nothing
ACTOR = "system"


class BatchIncidents(BuyersDesk):
    """What claims do to their batch, and what leads do about it."""

    async def weigh_batch(self, session: AsyncSession, now: datetime, claim: Claim) -> None:
        """Count a claim that was filed: the one that is too many quarantines its batch and opens the incident."""
        if claim.batch_id is None:
            return
        batch = await lock_batch(session, claim.batch_id)
        if batch.quarantined_at is not None:
            return
        rules, (claimed, buyers) = self.rules.batches, await self._count_claimed(session, now, batch.id)
        if claimed < rules.after or buyers < rules.buyers:  # one buyer alone must not take goods off sale
            return
        out = (await batches.count_out(session, [batch.id])).get(batch.id, 0)
        if claimed < rules.share * out:
            return
        facts = {"claimed": claimed, "out": out, "hours": round(rules.within.total_seconds() / 3600)}
        await self._quarantine(session, now, batch, ACTOR, self._say("incident.why", **facts))

    async def join_incident(
        self, session: AsyncSession, now: datetime, ticket: Ticket, claims: Sequence[Claim]
    ) -> None:
        """Make the ticket of claims part of the incident of their batch, while that batch is kept back."""
        for batch_id in sorted({claim.batch_id for claim in claims if claim.batch_id is not None}):
            batch = await lock_batch(session, batch_id)
            if batch.quarantined_at is not None and ticket.parent_id is None:
                await self._take_in(session, now, await self._incident(session, now, batch), [ticket])

    async def quarantine_batch(
        self, session: AsyncSession, now: datetime, batch_id: int, agent_id: int, why: str
    ) -> None:
        """A lead takes a batch off sale; its open claims become an incident. Raises `NotAllowed`, `BatchStands`."""
        await _require_lead(session, agent_id, "quarantine a batch")
        batch = await lock_batch(session, batch_id)
        await self._quarantine(session, now, batch, f"agent:{agent_id}", why)

    async def release_batch(self, session: AsyncSession, now: datetime, batch_id: int, agent_id: int, why: str) -> None:
        """A lead finds a batch to be sound: it is sold again, and earlier claims count no more. Raises as above."""
        await _require_lead(session, agent_id, "release a batch")
        batch = await lock_batch(session, batch_id)
        if await batches.release_batch(session, now, batch_id, f"agent:{agent_id}", why) is None:
            raise BatchStands(batch=batch.name)

    async def gather(self, session: AsyncSession, now: datetime, batch_id: int) -> int:
        """Take in what was busy, or not there yet, when the incident opened; how many tickets."""
        batch = await lock_batch(session, batch_id)
        known = await session.get(BatchIncident, batch_id)
        if known is None or batch.quarantined_at is None:
            return 0
        incident = await session.get_one(Ticket, known.ticket_id)
        parts = await _hold_unsettled(session, batch_id) if lifecycle.is_active(incident.phase) else []
        return await self._take_in(session, now, incident, parts)

    async def _quarantine(self, session: AsyncSession, now: datetime, batch: Batch, actor: str, why: str) -> None:
        kept = await batches.quarantine_batch(session, now, batch.id, actor, why)
        if kept is None:
            raise BatchStands(batch=batch.name)
        parts = await _hold_unsettled(session, batch.id)
        if parts or actor == ACTOR:
            incident = await self._incident(session, now, batch)
            note = self._say("incident.note", why=why, kept=kept)
            await conversations.add_note(session, now, incident, note)
            await self._take_in(session, now, incident, parts)

    async def _incident(self, session: AsyncSession, now: datetime, batch: Batch) -> Ticket:
        """The incident of a locked batch: the one that runs, opened again if it was resolved, or a new one."""
        known = await session.get(BatchIncident, batch.id)
        last = await session.get(Ticket, known.ticket_id) if known is not None else None
        if last is not None and lifecycle.is_active(last.phase):
            return last
        if last is not None:
            last = await lock_ticket(session, last.id)
            if await self.may_reopen(session, now, last):
                await self.reopen(session, now, last, ACTOR)
                return last
        ticket = await self._open_incident(session, now, batch)
        if known is None or last is None:
            session.add(BatchIncident(batch_id=batch.id, ticket_id=id_of(ticket), opened_at=now))
        else:
            known.ticket_id, known.opened_at = id_of(ticket), now
            session.add(known)
            await relate(session, now, ticket, last, LinkKind.FOLLOWS, ACTOR)
        await session.flush()
        record(session, now, ACTOR, "batch.incident_opened", f"batch:{batch.id}", None, {"ticket": ticket.number})
        return ticket

    async def _open_incident(self, session: AsyncSession, now: datetime, batch: Batch) -> Ticket:
        supplier = await session.get_one(Supplier, batch.supplier_id)
        product = await session.get_one(Product, batch.product_id)
        facts = {"batch": batch.name, "supplier": supplier.name, "product": product.name}
        name, language = self._say("incident.name", **facts), self.rules.staff_language
        conversation = await conversations.find_or_create(
            session, now, INCIDENT, INCIDENT, str(batch.id), name, language
        )
        return await self.open(
            session,
            now,
            conversation,
            Category.CLAIM,
            self._say("incident.subject", **facts),
            level=Level.LEAD,
            trigger=Trigger.BATCH,
            product=product.sku,
        )

    async def _take_in(self, session: AsyncSession, now: datetime, incident: Ticket, tickets: Sequence[Ticket]) -> int:
        joined = [one for one in tickets if one.id != incident.id and one.parent_id is None]
        joined = [one for one in joined if not await children_of(session, id_of(one))]  # it is an incident itself
        for ticket in joined:
            await make_part(session, now, ticket, incident, ACTOR)
        return len(joined)

    async def _count_claimed(self, session: AsyncSession, now: datetime, batch_id: int) -> tuple[int, int]:
        """The codes of a batch claimed to be bad, lately and since somebody last found it sound; by how many buyers."""
        since = now - self.rules.batches.within
        sound_at = await batches.released_at(session, batch_id)
        recent = select(
            func.count(col(Claim.fingerprint).distinct()), func.count(col(Claim.buyer_id).distinct())
        ).where(
            col(Claim.batch_id) == batch_id,
            col(Claim.created_at) >= since,
            or_(col(Claim.outcome).is_(None), col(Claim.outcome).not_in(UNTRUE)),
        )
        if sound_at is not None:
            recent = recent.where(col(Claim.created_at) > sound_at)
        return (await session.exec(recent)).one()

    def _say(self, key: str, **facts: object) -> str:
        return self.say(self.rules.staff_language, key, **facts)


async def gather_all(database: Database, clock: Callable[[], datetime], desk: BatchIncidents) -> int:
    """`gather` for every batch that is kept back, each in a transaction of its own; how many tickets in all."""
    kept_back = select(Batch.id).join(BatchIncident, col(BatchIncident.batch_id) == col(Batch.id))
    async with database.reading() as session:
        waiting = (await session.exec(kept_back.where(col(Batch.quarantined_at).is_not(None)))).all()
        late = [batch_id for batch_id in waiting if (await session.exec(_unsettled(batch_id).limit(1))).first()]
    gathered = 0
    for batch_id in late:
        async with database.writing() as session:
            gathered += await desk.gather(session, clock(), batch_id)
    return gathered


async def _hold_unsettled(session: AsyncSession, batch_id: int) -> Sequence[Ticket]:
    """Those, locked. One that another transaction holds is passed over: who holds a batch waits for no ticket."""
    found = _unsettled(batch_id).with_for_update(skip_locked=True).execution_options(populate_existing=True)
    return (await session.exec(found)).all()


def _unsettled(batch_id: int) -> SelectOfScalar[Ticket]:
    """The tickets of undecided claims on a batch that are part of nothing yet, and have no parts."""
    part = aliased(Ticket)
    claimed = select(Claim.ticket_id).where(col(Claim.batch_id) == batch_id, col(Claim.outcome).is_(None))
    return (
        select(Ticket)
        .where(col(Ticket.id).in_(claimed), col(Ticket.phase).in_(lifecycle.ACTIVE), col(Ticket.parent_id).is_(None))
        .where(~select(part.id).where(part.parent_id == Ticket.id).exists())
        .order_by(col(Ticket.id))
    )


async def _require_lead(session: AsyncSession, agent_id: int, verb: str) -> None:
    agent = await get_agent(session, agent_id)
    if not is_lead(agent):
        raise NotAllowed(role=agent.role, verb=verb)
