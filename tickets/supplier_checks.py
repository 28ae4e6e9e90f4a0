"""Supplier checks: a claim that the bot may not settle is put to whoever sold us the code, and has a clock of its own.

The complaint is written in the words of the wholesale systems (addComplain: order, subject, content). A person carries
it there: the clock starts when they say that it was sent, and `answer_check` writes down what came back.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.provenance import find_out
from shop.tables import Batch, Supplier
from tickets import filing, lifecycle, texts
from tickets.alarms import Database
from tickets.changes import get_ticket, lock_ticket
from tickets.claim_states import ClaimState, can_move
from tickets.errors import AnsweredAlready, AskedAlready, NoSupplier, NotAllowed, NotAsked
from tickets.ladder import Ladder
from tickets.rights import is_lead, require_hands
from tickets.staff import get_agent
from tickets.tables import Claim, Level, Reason, SupplierCheck, Ticket, Trigger, id_of

log = logging.getLogger(__name__)

LANGUAGE = "zh"  # of complaints: that of the wholesale systems
ACTOR = "scheduler"
PAGE = 50  # checks in one transaction
REFERENCE_LIMIT = 80  # characters
CONTACT_LIMIT = 200
BAD, GOOD, SILENT = "bad", "good", "silent"
# The words that wholesale systems know for what is wrong with a card; the rest is "other", and said in the content.
VOCABULARY = {
    Reason.ALREADY_USED: "卡已被使用/失效",
    Reason.EXPIRED: "卡已被使用/失效",
    Reason.DOES_NOT_EXIST: "卡号/卡密错误",
    Reason.NOT_ACTIVATED: "未激活",
    Reason.WRONG_VALUE: "面值不符(已绑)",  # whoever says so has redeemed it
}
OTHER = "其它"
# Why a claim came to a person although nobody doubts, or the supplier cannot know, whether the code is bad.
MOOT = frozenset({"refunded", "not_delivered", "contested", "already_replaced", "decided_before", "warranty_over"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a supplier said about one code."""

    is_bad: bool  # they take it back
    owed: int | None = None  # minor units; None: what the code cost us
    reference: str = ""  # their number of the complaint
    remark: str = ""


class Unsent(NamedTuple):
    """A claim whose complaint is laid out, and was not sent yet."""

    claim: Claim
    number: str  # of its ticket


class SupplierChecks(Ladder):
    """The verbs of asking suppliers."""

    async def put_to_suppliers(self, session: AsyncSession, now: datetime, claims: Collection[Claim]) -> None:
        """Make ready to complain about each claim that came to people, where its supplier answers and that matters.

        Nothing is asked yet, and no clock of the supplier runs: who has the ticket sends it (`ask_supplier`).
        """
        for claim in claims:
            supplier = await _find_supplier(session, claim)
            if supplier is None or claim.why in MOOT or claim.state == ClaimState.HELD:
                continue
            check = await _find_check(session, id_of(claim))
            is_answered = check is not None and check.answered_at is not None
            if not is_answered and can_move(claim.state, ClaimState.SUPPLIER_CHECK):
                filing.move(session, now, claim, ClaimState.SUPPLIER_CHECK, "bot")

    async def ask_supplier(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, claim_id: int
    ) -> SupplierCheck:
        """An agent has sent the complaint about a claim of the ticket: the supplier's clock runs from now.

        Raises `HeldByColleague`, `NoSupplier`, `AskedAlready`.
        """
        ticket = await lock_ticket(session, ticket_id)
        await require_hands(session, ticket, agent_id)
        claim = await session.get(Claim, claim_id)
        supplier = await _find_supplier(session, claim) if claim is not None else None
        if claim is None or claim.ticket_id != ticket.id or supplier is None:
            raise NoSupplier(masked=claim.masked if claim else "")
        if await _find_check(session, claim_id) is not None:
            raise AskedAlready(masked=claim.masked)
        return await self._ask(session, now, claim, supplier, f"agent:{agent_id}")

    async def take_down_sent(
        self, session: AsyncSession, now: datetime, claim: Claim, reference: str
    ) -> SupplierCheck | None:
        """The supplier's system took the complaint at `now`: its clock runs, unless it does already.

        None where the supplier is not asked any more.
        """
        check = await _find_check(session, id_of(claim), lock=True)
        if check is None and (supplier := await _find_supplier(session, claim)) is not None:
            check = await self._ask(session, now, claim, supplier, ACTOR)
        if check is not None and reference and not check.reference:
            check.reference = reference[:REFERENCE_LIMIT]
            session.add(check)
            record(session, now, ACTOR, "supplier.took", f"claim:{claim.id}", None, {"reference": check.reference})
        return check

    async def take_down_answer(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, claim_id: int, answer: Answer
    ) -> SupplierCheck:
        """`answer_check` by an agent. Raises `HeldByColleague` and `CodeInText` besides."""
        ticket = await lock_ticket(session, ticket_id)
        await require_hands(session, ticket, agent_id)
        if answer.remark:
            await texts.refuse_codes(session, ticket, answer.remark)
        claim = await session.get(Claim, claim_id)
        if claim is None or claim.ticket_id != ticket.id:
            raise NotAsked(claim=claim_id)
        return await self.answer_check(session, now, claim, answer, f"agent:{agent_id}")

    async def answer_check(
        self, session: AsyncSession, now: datetime, claim: Claim, answer: Answer, actor: str
    ) -> SupplierCheck:
        """Write down what the supplier said, late or not; with `is_bad` they owe for the code.

        The claim is a person's again, who replaces, or explains. Raises `NotAsked`, `AnsweredAlready`.
        """
        check = await _find_check(session, id_of(claim), lock=True)
        if check is None:
            raise NotAsked(claim=claim.id)
        if check.answer in (BAD, GOOD):
            raise AnsweredAlready(masked=claim.masked)
        before = {"answer": check.answer}
        check.answer, check.answered_at, check.answered_by = BAD if answer.is_bad else GOOD, now, actor
        check.owed = await _owed(session, claim, answer)
        check.reference, check.remark = answer.reference.strip()[:REFERENCE_LIMIT], answer.remark.strip()
        session.add(check)
        after = {"answer": check.answer, "owed": check.owed, "reference": check.reference}
        record(session, now, actor, "supplier.answered", f"claim:{claim.id}", before, after)
        self._back_to_people(session, now, claim, actor)
        return check

    async def set_terms(
        self,
        session: AsyncSession,
        now: datetime,
        supplier_id: int,
        agent_id: int,
        answers_within: timedelta | None,
        contact: str,
    ) -> None:
        """A lead writes down how long a supplier may take to answer; None: it is not asked. Running checks stay.

        Raises `NotAllowed`, `NoSupplier`.
        """
        agent = await get_agent(session, agent_id)
        if not is_lead(agent):
            raise NotAllowed(role=agent.role, verb="change a supplier")
        supplier = await session.get(Supplier, supplier_id, with_for_update=True)
        if supplier is None:
            raise NoSupplier(masked="")
        before = {"answers_within": _hours(supplier.answers_within), "contact": supplier.contact}
        supplier.answers_within, supplier.contact = answers_within, contact.strip()[:CONTACT_LIMIT]
        session.add(supplier)
        after = {"answers_within": _hours(answers_within), "contact": supplier.contact}
        record(session, now, f"agent:{agent_id}", "supplier.terms_set", f"supplier:{supplier_id}", before, after)

    async def watch_check(self, session: AsyncSession, now: datetime, check: SupplierCheck) -> bool:
        """Act on a check whose instant has passed: remind staff, or let it be silent; False when nothing was due."""
        claim = await session.get_one(Claim, check.claim_id)
        ticket = await lock_ticket(session, claim.ticket_id)
        await session.refresh(check, with_for_update=True)
        await session.refresh(claim)  # decided, or gone to another ticket, while we waited: then the next look acts
        if check.answered_at is not None or claim.ticket_id != ticket.id:
            return False
        if check.due_at < now:
            await self._fall_silent(session, now, check, claim, ticket)
        elif check.remind_at is not None and check.remind_at <= now:
            await self._remind(session, now, check, claim, ticket)
        else:
            return False
        return True

    async def _ask(
        self, session: AsyncSession, now: datetime, claim: Claim, supplier: Supplier, actor: str
    ) -> SupplierCheck:
        assert supplier.answers_within is not None
        check = SupplierCheck(
            claim_id=id_of(claim),
            supplier_id=supplier.id,
            text=await self.complaint(session, claim, supplier),
            asked_at=now,
            due_at=now + supplier.answers_within,
        )
        check.remind_at = self._next_reminder(check)
        session.add(check)
        await session.flush()
        after = {"supplier": supplier.id, "due_at": check.due_at.isoformat()}
        record(session, now, actor, "supplier.asked", f"claim:{claim.id}", None, after)
        if can_move(claim.state, ClaimState.SUPPLIER_CHECK):
            filing.move(session, now, claim, ClaimState.SUPPLIER_CHECK, actor)
        return check

    async def complaint(self, session: AsyncSession, claim: Claim, supplier: Supplier) -> str:
        """The text for the supplier: everything that finds the code, and never the code."""
        ticket = await get_ticket(session, claim.ticket_id)
        out = await find_out(session, claim.fingerprint)
        batch = await session.get(Batch, claim.batch_id) if claim.batch_id is not None else None
        unknown = self.say(LANGUAGE, "complaint.unknown")
        facts = {
            "order": claim.order_no,
            "number": ticket.number,
            "claim": claim.id,
            "product": claim.product_name,
            "batch": batch.name if batch else unknown,
            "masked": claim.masked,
            "word": VOCABULARY.get(Reason(claim.reason), OTHER),
            "reason": self.say(LANGUAGE, f"reason.{claim.reason}"),
            "error": claim.error_text or unknown,
            "sold": self._time(out.at) if out else unknown,
            "hours": f"{_hours(supplier.answers_within) or 0:g}",
        }
        return self.say(LANGUAGE, "complaint.text", **facts)

    async def _fall_silent(
        self, session: AsyncSession, now: datetime, check: SupplierCheck, claim: Claim, ticket: Ticket
    ) -> None:
        # It ended when it was due, whenever that was seen.
        check.answer, check.answered_at, check.remind_at = SILENT, check.due_at, None
        session.add(check)
        after = {"answer": SILENT, "due_at": check.due_at.isoformat()}
        record(session, now, ACTOR, "supplier.silent", f"claim:{claim.id}", None, after)
        self._back_to_people(session, now, claim, ACTOR)
        if claim.outcome is None and lifecycle.is_active(ticket.phase):
            await self.escalate(session, now, ticket, Level.LEAD, Trigger.SUPPLIER_SILENT, actor=ACTOR)

    async def _remind(
        self, session: AsyncSession, now: datetime, check: SupplierCheck, claim: Claim, ticket: Ticket
    ) -> None:
        check.reminders = sum(check.asked_at + span <= now for span in self.rules.supplier_reminders)
        check.remind_at = self._next_reminder(check)
        session.add(check)
        supplier = await session.get_one(Supplier, check.supplier_id)
        if lifecycle.is_active(ticket.phase):
            await self.tell_staff(
                session,
                now,
                ticket,
                "notice.supplier_waits",
                agent_id=ticket.assignee_id,
                supplier=supplier.name,
                masked=claim.masked,
                due=self._time(check.due_at),
            )

    def _time(self, at: datetime) -> str:
        return f"{at.astimezone(self.rules.zone):%Y-%m-%d %H:%M}"

    def _next_reminder(self, check: SupplierCheck) -> datetime | None:
        spans = self.rules.supplier_reminders[check.reminders :]
        return check.asked_at + spans[0] if spans and check.asked_at + spans[0] < check.due_at else None

    def _back_to_people(self, session: AsyncSession, now: datetime, claim: Claim, actor: str) -> None:
        if claim.state == ClaimState.SUPPLIER_CHECK:
            filing.move(session, now, claim, ClaimState.REVIEW, actor)


async def watch(database: Database, clock: Callable[[], datetime], desk: SupplierChecks) -> int:
    """Act on every check whose instant has passed, each in a transaction of its own; how many.

    One that cannot be acted on holds up no other.
    """
    acted, last = 0, 0
    while True:
        now = clock()
        async with database.reading() as session:
            found = select(SupplierCheck.id).where(*_passed(now), col(SupplierCheck.id) > last)
            passed = (await session.exec(found.order_by(col(SupplierCheck.id)).limit(PAGE))).all()
        for check_id in passed:
            last = check_id or 0
            try:
                async with database.writing() as session:
                    check = await session.get_one(SupplierCheck, check_id)
                    acted += await desk.watch_check(session, now, check)
            except (OperationalError, InterfaceError, OSError):  # the database is away: the same for every one
                raise
            except Exception:
                log.exception("supplier check %s cannot be acted on", check_id)
        if len(passed) < PAGE:
            return acted


async def next_watch(session: AsyncSession) -> datetime | None:
    """The first instant at which `watch` will find something; the scheduler wakes then."""
    waiting = col(SupplierCheck.answered_at).is_(None)
    due = (await session.exec(select(SupplierCheck.due_at).where(waiting).order_by(col(SupplierCheck.due_at)))).first()
    remind = select(SupplierCheck.remind_at).where(waiting, col(SupplierCheck.remind_at).is_not(None))
    first = (await session.exec(remind.order_by(col(SupplierCheck.remind_at)).limit(1))).first()
    coming = [instant for instant in (due + datetime.resolution if due else None, first) if instant is not None]
    return min(coming, default=None)


def _passed(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """In the instant itself the supplier may yet answer."""
    over = or_(col(SupplierCheck.due_at) < now, col(SupplierCheck.remind_at) <= now)
    return (col(SupplierCheck.answered_at).is_(None), over)


async def find_checks(session: AsyncSession, claim_ids: Collection[int]) -> dict[int, SupplierCheck]:
    """What was asked about these claims, by claim."""
    found = await session.exec(select(SupplierCheck).where(col(SupplierCheck.claim_id).in_(claim_ids)))
    return {check.claim_id: check for check in found.all()}


async def find_unsent(session: AsyncSession) -> dict[int, list[Unsent]]:
    """By supplier: the complaints that nobody has sent yet, the longest waiting first."""
    found = await session.exec(
        select(Claim, Ticket.number)
        .join(Ticket, col(Ticket.id) == col(Claim.ticket_id))
        .join(SupplierCheck, col(SupplierCheck.claim_id) == col(Claim.id), isouter=True)
        .where(Claim.state == ClaimState.SUPPLIER_CHECK, col(SupplierCheck.id).is_(None))
        .order_by(col(Claim.state_at), col(Claim.id))
    )
    unsent: dict[int, list[Unsent]] = defaultdict(list)
    for claim, number in found.all():
        unsent[claim.supplier_id or 0].append(Unsent(claim, number))
    return unsent


async def _find_check(session: AsyncSession, claim_id: int, *, lock: bool = False) -> SupplierCheck | None:
    asked = select(SupplierCheck).where(SupplierCheck.claim_id == claim_id)
    if lock:
        asked = asked.with_for_update().execution_options(populate_existing=True)
    return (await session.exec(asked)).first()


async def _find_supplier(session: AsyncSession, claim: Claim) -> Supplier | None:
    """Who sold us the code, if they answer at all."""
    supplier = await session.get(Supplier, claim.supplier_id) if claim.supplier_id is not None else None
    return supplier if supplier is not None and supplier.answers_within is not None else None


def _hours(span: timedelta | None) -> float | None:
    return span.total_seconds() / 3600 if span is not None else None


async def _owed(session: AsyncSession, claim: Claim, answer: Answer) -> int:
    if not answer.is_bad:
        return 0
    if answer.owed is not None:
        return answer.owed
    batch = await session.get(Batch, claim.batch_id) if claim.batch_id is not None else None
    return batch.cost if batch else 0
