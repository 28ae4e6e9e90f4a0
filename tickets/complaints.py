"""Complaints to suppliers whose systems take them: sent, and their answers fetched, while no transaction is open.

That a complaint is about to be sent is written down before it is: so none is sent twice, and one of which nobody knows
whether it arrived is looked for there, then left to people. When a supplier is asked next is kept in memory alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from audit.trail import record
from shop.errors import ShopDown
from shop.port import Answer as ShopAnswer
from shop.port import Origin, Reply
from shop.supplier_port import SupplierSite
from shop.tables import Batch, Supplier
from shop.vault import Vault
from tickets.changes import lock_ticket
from tickets.claim_states import ClaimState
from tickets.supplier_checks import (
    ACTOR,
    LANGUAGE,
    OTHER,
    SILENT,
    VOCABULARY,
    Answer,
    SupplierChecks,
    find_checks,
    find_unsent,
)
from tickets.tables import Claim, Reason, SupplierCheck, id_of

log = logging.getLogger(__name__)

POLL_EVERY = timedelta(minutes=10)
LONGEST_WAIT = timedelta(hours=4)  # between two tries where nothing comes back
POLLED_FOR = timedelta(days=14)  # after that a late answer is a person's to write down
LEASE = timedelta(minutes=5)  # longer than sending takes: whoever has not ended by then was stopped
ORIGIN_WITHIN = 5.0  # seconds that the shop may take to say where a code came from
SENDING, UNSENT = "supplier.sending", "supplier.unsent"


class Database(Protocol):
    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


class Shop(Protocol):
    """A shop, as far as it knows where codes came from."""

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        """As `shop.port.Counter.origin_of`; raises `ShopDown`."""


@dataclass(frozen=True, slots=True)
class Started:
    """A complaint that is written down as being sent."""

    subject: str
    content: str


@dataclass(frozen=True)
class Complaints:
    """Carries complaints to the `sites` of suppliers, by their names. One process of an install does it at a time."""

    database: Database
    clock: Callable[[], datetime]
    desk: SupplierChecks
    vault: Vault
    find_shop: Callable[[str], Shop | None]
    sites: Mapping[str, SupplierSite]
    _waits: dict[str, tuple[datetime, int]] = field(default_factory=dict)  # until when, after how many failures

    async def work(self) -> int:
        """Send what is unsent and fetch what is due; how many complaints were sent, left to people or answered."""
        async with self.database.reading() as session:
            names = select(Supplier).where(col(Supplier.name).in_(self.sites))
            suppliers = (await session.exec(names)).all()
        return sum(await asyncio.gather(*(self._serve(one.id, self.sites[one.name]) for one in suppliers)))

    async def _serve(self, supplier_id: int, site: SupplierSite) -> int:
        """One supplier, until nothing is due or its system is away."""
        done = 0
        async with self.database.reading() as session:
            claims = [unsent.claim for unsent in (await find_unsent(session)).get(supplier_id, ())]
            checks = await _find_open(session, supplier_id, self.clock() - POLLED_FOR)
        work: list[tuple[str, Callable[..., Awaitable[bool]], object]]
        work = [(f"claim {one.id}", self._send, one) for one in claims]
        work += [(f"check {one.id}", self._fetch, one) for one in checks]
        for key, verb, row in work:
            if self._waits.get(key, (self.clock(), 0))[0] > self.clock():
                continue
            try:
                done += await verb(site, row)
            except ShopDown as silence:
                log.warning("%s: %s", key, silence)
                self._put_off(key, failed=True)
                break
            except Exception:  # one that cannot be dealt with holds up no other
                log.exception("the supplier cannot be asked about %s", key)
                self._put_off(key, failed=True)
        return done

    def _put_off(self, key: str, *, failed: bool = False) -> None:
        failures = self._waits.get(key, (None, 0))[1] + 1 if failed else 0
        self._waits[key] = (self.clock() + min(POLL_EVERY * 2 ** min(failures, 8), LONGEST_WAIT), failures)

    async def _send(self, site: SupplierSite, claim: Claim) -> bool:
        async with self.database.reading() as session:
            begun_at = await _find_last(session, claim, SENDING)
            is_left = await _find_last(session, claim, UNSENT) is not None
        if is_left:
            return False
        if begun_at is not None:  # we were stopped in the middle
            return self.clock() - begun_at > LEASE and await self._look(site, claim)
        order_no = await self._find_order_no(site, claim)
        if order_no is None or (started := await self._start(claim)) is None:
            self._put_off(f"claim {claim.id}", failed=True)
            return False
        try:
            reply = await site.complain(order_no, started.subject, started.content)
        except ShopDown as silence:
            log.warning("nobody knows whether the complaint about claim %s was taken: %s", claim.id, silence)
            return await self._look(site, claim)
        accepted_at = self.clock()
        if reply.answer != ShopAnswer.DONE:
            return await self._leave(claim, "refused", code=reply.note)
        number = reply.value or ""
        if not number:
            with suppress(ShopDown):
                number = await site.find_complaint(started.subject)
        return await self._took(claim, accepted_at, number)

    async def _look(self, site: SupplierSite, claim: Claim) -> bool:
        """Whether a complaint arrived of which nobody knows it: if it is not seen there, people find out."""
        number = ""
        async with self.database.reading() as session:
            subject = await self._subject(session, claim)
        with suppress(ShopDown):
            number = await site.find_complaint(subject)
        return await (self._took(claim, self.clock(), number) if number else self._leave(claim, "unknown"))

    async def _find_order_no(self, site: SupplierSite, claim: Claim) -> str | None:
        """Our order at the supplier that brought the code: it has to be there, and to be worth a complaint.

        A shop that knows no number may have a batch that is called like one; then the order has to hold the code.
        """
        origin, shop = None, self.find_shop(claim.shop)
        if shop is not None:
            with suppress(ShopDown, TimeoutError):
                async with asyncio.timeout(ORIGIN_WITHIN):
                    origin = (await shop.origin_of(claim.order_no, claim.fingerprint)).value
        number = origin.order_no if origin else ""
        if not (tried := number or await self._batch_name(claim)):
            return None
        bought = await site.find_order(tried)
        if bought is None or bought.is_over:
            return None
        holds = any(self.vault.fingerprint(code) == claim.fingerprint for code in bought.codes)
        return tried if number or holds else None

    async def _batch_name(self, claim: Claim) -> str:
        async with self.database.reading() as session:
            batch = await session.get(Batch, claim.batch_id) if claim.batch_id is not None else None
            return batch.name if batch else ""

    async def _start(self, claim: Claim) -> Started | None:
        """Write down that it is being sent; None when somebody else has sent it, or it is not wanted any more."""
        async with self.database.writing() as session:
            await lock_ticket(session, claim.ticket_id)
            now, fresh = self.clock(), await session.get_one(Claim, claim.id, populate_existing=True)
            supplier = await session.get_one(Supplier, claim.supplier_id)
            is_sent = bool(await find_checks(session, [id_of(claim)])) or await _find_last(session, fresh, SENDING)
            if is_sent or fresh.state != ClaimState.SUPPLIER_CHECK or supplier.answers_within is None:
                return None
            record(session, now, ACTOR, SENDING, f"claim:{claim.id}", None, {"supplier": supplier.id})
            return Started(await self._subject(session, fresh), await self.desk.complaint(session, fresh, supplier))

    async def _subject(self, session: AsyncSession, claim: Claim) -> str:
        """What it is called there: the same at all times, and no other's."""
        word = VOCABULARY.get(Reason(claim.reason), OTHER)
        return self.desk.say(LANGUAGE, "complaint.subject", word=word, shop=claim.shop, claim=claim.id)

    async def _took(self, claim: Claim, accepted_at: datetime, number: str) -> bool:
        async with self.database.writing() as session:
            await lock_ticket(session, claim.ticket_id)
            fresh = await session.get_one(Claim, claim.id, populate_existing=True)
            check = await self.desk.take_down_sent(session, accepted_at, fresh, number)
        return check is not None

    async def _leave(self, claim: Claim, why: str, code: str = "") -> bool:
        """A person looks at the supplier's, and sends it by hand where it is not there."""
        async with self.database.writing() as session:
            ticket, now = await lock_ticket(session, claim.ticket_id), self.clock()
            if await _find_last(session, claim, UNSENT) is not None:
                return False
            record(session, now, ACTOR, UNSENT, f"claim:{claim.id}", None, {"why": why, "code": code})
            key, to = f"notice.complaint_{why}", ticket.assignee_id
            await self.desk.tell_staff(session, now, ticket, key, agent_id=to, masked=claim.masked, code=code)
        return True

    async def _fetch(self, site: SupplierSite, check: SupplierCheck) -> bool:
        key = f"check {check.id}"
        if key not in self._waits and self.clock() < check.asked_at + POLL_EVERY:
            return False
        said = await site.find_answer(check.reference)
        self._put_off(key)
        if said is None:
            return False
        async with self.database.writing() as session:
            claim = await session.get_one(Claim, check.claim_id)
            ticket, now = await lock_ticket(session, claim.ticket_id), self.clock()
            await session.refresh(claim)
            current = (await find_checks(session, [check.claim_id]))[check.claim_id]
            if current.answer not in (None, SILENT):
                return False
            owed = 0 if said.is_replaced else None
            answer = Answer(said.is_bad, owed, reference=check.reference, remark=said.remark)
            await self.desk.answer_check(session, now, claim, answer, ACTOR)
            supplier, key = await session.get_one(Supplier, check.supplier_id), "notice.supplier_answered"
            facts: dict[str, Any] = {"masked": claim.masked, "supplier": supplier.name}
            await self.desk.tell_staff(session, now, ticket, key, agent_id=ticket.assignee_id, **facts)
        return True


async def _find_open(session: AsyncSession, supplier_id: int, since: datetime) -> list[SupplierCheck]:
    """What the supplier was asked and has not answered, or not in time, and has a number there."""
    waits = or_(col(SupplierCheck.answer).is_(None), SupplierCheck.answer == SILENT)
    found = select(SupplierCheck).where(SupplierCheck.supplier_id == supplier_id, waits, SupplierCheck.reference != "")
    rows = await session.exec(found.where(SupplierCheck.asked_at >= since).order_by(col(SupplierCheck.id)))
    return list(rows.all())


async def _find_last(session: AsyncSession, claim: Claim, action: str) -> datetime | None:
    """When this was last written down of the claim."""
    rows = select(AuditRow.at).where(AuditRow.subject == f"claim:{claim.id}", AuditRow.action == action)
    return (await session.exec(rows.order_by(col(AuditRow.id).desc()).limit(1))).first()
