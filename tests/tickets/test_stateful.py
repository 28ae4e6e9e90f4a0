"""Any order of claims, grants, refunds, merges, endings, words, sweeps, crashes and repeats keeps what was promised.

The machine knows what a buyer knows: what was shown, what was paid, and until when an answer was promised.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy.util import await_only
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.errors import KadeskError
from shop import reveals
from shop.invariants import check_invariants
from shop.port import CodeRef
from shop.tables import Refund, RevealLink
from shop.vault import Keys, Vault
from tests.conftest import NOW
from tests.machines import walk
from tests.threadless import database_in_memory, fill
from tests.tickets.conftest import Floor, say
from tests.tickets.counter import HOUR, ORDER, RULES, stock
from tickets.claims import Claims, Outcome, Reason, Settled
from tickets.desk import Desk
from tickets.errors import TicketError
from tickets.refunds import Refunds
from tickets.tables import Claim, Clock, Conversation, Metric, Role, Ticket

STEPS = int(os.environ.get("DESK_STEPS", "4000"))
SHARDS = 2  # so that several workers share the steps
EACH = 50  # steps of one example
CHECKED_EVERY = 10  # steps
VAULT = Vault(Keys("k", {"k": bytes(32)}, bytes(range(32))))
BUYERS = 2
ORDERS = [replace(ORDER, order_no=f"ORDER{number:011d}", quantity=2, paid=9_700) for number in range(4)]
RESERVE = tuple(f"RSRV-0000-000{number}-AAAA" for number in range(6))
SOLD = [
    (order, CodeRef(VAULT.fingerprint(f"{order.order_no}-{position}"), "****-SOLD", position))
    for order in ORDERS
    for position in (1, 2)
]
WORDS = ("卡不能用", "还在吗")
CHOICE = st.integers(0, 99)  # of whatever there is
# A verb, and what the buyer knows once it was done.
Request = tuple[Callable[[AsyncSession], Awaitable[Any]], Callable[[Any], object]]


def learn_nothing(_: object) -> None:
    """The buyer knows no more than before."""


class PowerCut(Exception):
    """The process ends here."""


class Visits(RuleBasedStateMachine):
    """Two buyers, four orders of two codes, an agent, and a reserve that does not last."""

    floor: Floor  # one for all examples: it plans each statement once
    opened: Floor  # with which each begins
    agent: int
    places: Sequence[Conversation]
    begun: Sequence[Settled] = ()  # claims that each begins with
    walked = 0  # steps, of all examples

    def __init__(self) -> None:
        super().__init__()
        await_only(fill(self.floor.database, self.opened.database))
        self.steps, self.now = 0, NOW + len(self.begun) * HOUR
        self.claims, self.refunds = Claims(self.floor.desk, VAULT, RULES), Refunds(self.floor.desk)
        self.tickets: list[int] = []
        self.filed: dict[int, str] = {}  # claim → the sold code that it is about
        self.links: list[tuple[str, RevealLink]] = []  # sold code, link to what is given for it
        self.shown: set[str] = set()  # sold codes for which another was seen
        self.paid: dict[str, int] = {}  # sold code → refund
        self.last = self.filing_of(0, Reason.OTHER)
        for settled in self.begun:
            self._learn_settled(settled)

    def teardown(self) -> None:
        type(self).walked += self.steps
        await_only(self.check())

    def send(self, request: Request, *, is_cut: bool = False) -> None:
        """A verb in a transaction of its own; nothing is done when it was refused, or the power went before it ended.

        `is_cut`: the power goes when all is done but the commit.
        """
        self.last = request
        verb, learn = request

        async def act() -> Any:
            try:
                async with self.floor.database.writing() as session:
                    done = await verb(session)
                    if is_cut:
                        raise PowerCut
                    return done
            except (KadeskError, PowerCut):
                return None

        if (done := await_only(act())) is not None:
            learn(done)

    def ticket(self, choice: int) -> int:
        return self.tickets[choice % len(self.tickets)]

    # What is asked, and what a buyer knows from then on

    def filing_of(self, choice: int, reason: Reason) -> Request:
        order, code = SOLD[choice % len(SOLD)]
        place = self.places[choice // len(SOLD) % BUYERS]
        return lambda session: self.claims.file(session, self.now, place, order, code, reason), self._learn_settled

    def _learn_settled(self, settled: Settled) -> None:
        claim = settled.claim
        self.filed[claim.id or 0] = claim.fingerprint
        if settled.ticket is not None and settled.ticket.id not in self.tickets:
            self.tickets.append(settled.ticket.id or 0)
        if settled.link is not None:
            assert claim.fingerprint not in self.paid
            self.links.append((claim.fingerprint, settled.link))

    def grant_of(self, choice: int) -> Request:
        ticket = self.ticket(choice)
        return lambda session: self.claims.replace(session, self.now, ticket, self.agent), self._learn_settled

    def refund_of(self, choice: int) -> Request:
        """The agent pays a claim back, where it stands now."""
        claim_id = sorted(self.filed)[choice % len(self.filed)]
        sold = self.filed[claim_id]
        order = next(order for order, code in SOLD if code.fingerprint == sold)

        async def verb(session: AsyncSession) -> Refund:
            ticket_id = (await session.get_one(Claim, claim_id)).ticket_id
            if ticket_id is None:
                raise TicketError
            return await self.refunds.ask(session, self.now, ticket_id, self.agent, order, claim_id=claim_id)

        def learn(refund: Refund) -> None:
            assert sold not in self.shown
            assert sold not in self.paid
            self.paid[sold] = refund.amount
            assert sum(amount for code, amount in self.paid.items() if code in codes_of(order)) <= order.paid

        def codes_of(order: object) -> set[str]:
            return {code.fingerprint for of, code in SOLD if of is order}

        return verb, learn

    def merge_of(self, source: int, target: int) -> Request:
        """One matter in two tickets becomes one; it is promised for the earlier of both instants."""
        ids = self.ticket(source), self.ticket(source + 1 + target % (len(self.tickets) - 1))

        async def verb(session: AsyncSession) -> bool:
            promised = await _promised(session, ids)
            merged = await self.floor.desk.merge(session, self.now, *ids, self.agent)
            await session.flush()
            after = await _promised(session, [merged.id or 0])
            assert not promised or not after or min(after) <= min(promised)
            assert not promised or after
            return True

        return verb, learn_nothing

    def look_of(self, choice: int) -> Request:
        sold, link = self.links[choice % len(self.links)]

        async def verb(session: AsyncSession) -> str:
            return (await self.claims.reveal(session, self.now, reveals.read_token(VAULT, link), "web")).text

        def learn(text: str) -> None:
            assert text in RESERVE
            assert sold not in self.shown
            assert sold not in self.paid
            self.shown.add(sold)

        return verb, learn

    # The rules

    @rule(choice=CHOICE, reason=st.sampled_from([Reason.ALREADY_USED, Reason.OTHER, Reason.OTHER]))
    def file(self, choice: int, reason: Reason) -> None:
        self.send(self.filing_of(choice, reason))

    @precondition(lambda self: self.tickets)
    @rule(choice=CHOICE)
    def grant(self, choice: int) -> None:
        self.send(self.grant_of(choice))

    @precondition(lambda self: self.filed)
    @rule(choice=CHOICE)
    def refund(self, choice: int) -> None:
        self.send(self.refund_of(choice))

    @precondition(lambda self: len(self.tickets) > 1)
    @rule(choice=CHOICE, other=CHOICE)
    def merge(self, choice: int, other: int) -> None:
        self.send(self.merge_of(choice, other))

    @precondition(lambda self: self.links)
    @rule(choice=CHOICE)
    def look(self, choice: int) -> None:
        self.send(self.look_of(choice))

    @precondition(lambda self: self.tickets)
    @rule(choice=CHOICE, outcome=st.sampled_from([Outcome.INSTRUCT, Outcome.REJECT]))
    def resolve(self, choice: int, outcome: Outcome) -> None:
        ticket = self.ticket(choice)
        resolve = self.floor.desk.resolve
        self.send((lambda session: resolve(session, self.now, ticket, self.agent, outcome), learn_nothing))

    @precondition(lambda self: self.tickets)
    @rule(choice=CHOICE)
    def close(self, choice: int) -> None:
        ticket = self.ticket(choice)
        self.send((lambda session: self.floor.desk.close(session, self.now, ticket, self.agent), learn_nothing))

    @precondition(lambda self: self.tickets)
    @rule(choice=CHOICE, text=st.sampled_from(WORDS))
    def speak(self, choice: int, text: str) -> None:
        """Which reopens what was resolved, and is heard where a merged ticket went."""
        ticket_id = self.ticket(choice)

        async def speak() -> Ticket:
            heard = await self.floor.speak(await self.floor.one(Ticket, id=ticket_id), text, at=self.now)
            return heard.ticket

        heard = await_only(speak())
        if heard.id not in self.tickets:
            self.tickets.append(heard.id or 0)

    @rule()
    def deliver(self) -> None:
        await_only(self.floor.deliver(at=self.now))

    @rule(hours=st.integers(1, 30))
    def sweep(self, hours: int) -> None:
        """Time goes on; nothing that is due is passed over."""
        self.now += timedelta(hours=hours)

        async def sweep() -> None:
            await self.floor.sweep(self.now)
            assert (await self.floor.sweep(self.now)).escalated == 0

        await_only(sweep())

    @precondition(lambda self: len(self.tickets) > 1 and self.links)
    @rule(what=st.sampled_from(["file", "grant", "refund", "merge", "look"]), choice=CHOICE, other=CHOICE)
    def crash(self, what: str, choice: int, other: int) -> None:
        """The power goes in the middle of a request, which may be repeated."""
        requests = {
            "file": partial(self.filing_of, choice, Reason.ALREADY_USED),
            "grant": partial(self.grant_of, choice),
            "refund": partial(self.refund_of, choice),
            "merge": partial(self.merge_of, choice, other),
            "look": partial(self.look_of, choice),
        }
        self.send(requests[what](), is_cut=True)

    @rule()
    def retry(self) -> None:
        """The same request once more, whatever became of it."""
        self.send(self.last)

    @invariant()
    def promises_are_kept(self) -> None:
        self.steps += 1
        if self.steps % CHECKED_EVERY == 0:
            await_only(self.check())

    async def check(self) -> None:
        async with self.floor.database.reading() as session:
            assert await check_invariants(session) == []
            lost = select(Claim.id).join(Ticket, col(Ticket.id) == col(Claim.ticket_id))
            assert not (await session.exec(lost.where(col(Ticket.merged_into_id).is_not(None)))).all()


async def _promised(session: AsyncSession, tickets: Sequence[int]) -> Sequence[Any]:
    """When the tickets' handling is due, as far as it is still owed."""
    owed = (col(Clock.met_at).is_(None), col(Clock.stopped_at).is_(None), Clock.metric == Metric.HANDLING)
    return (await session.exec(select(Clock.due_at).where(*owed, col(Clock.ticket_id).in_(tickets)))).all()


async def play(template: Path, steps: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    """Run the machine, for at least so many steps."""
    desk = Desk(say)
    Visits.opened, Visits.floor = (Floor(database_in_memory(), desk, NOW) for _ in range(2))
    await fill(Visits.opened.database, template)
    await stock(Visits.opened, VAULT, RESERVE)
    Visits.places = [await Visits.opened.meet(f"buyer-{number}") for number in range(BUYERS)]
    Visits.agent = await Visits.opened.hire("wang", Role.MANAGER)
    claims, first = Claims(desk, VAULT, RULES), Visits.places[0]
    Visits.begun = [
        await Visits.opened.do(claims.file, first, order, code, Reason.OTHER, at=NOW + hours * HOUR)
        for hours, (order, code) in enumerate(SOLD[::2])
    ]
    try:
        await walk(Visits, steps, phases, EACH)
    finally:
        for floor in (Visits.opened, Visits.floor):
            await floor.database.close()


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
async def test_whatever_happens_buyers_get_what_they_were_promised(sqlite_template: Path, shard: int) -> None:
    await play(sqlite_template, STEPS // SHARDS)


async def pass_by(*_: object) -> None:
    """A guard that looks away."""


@pytest.mark.parametrize(
    "guards",
    [("compensation.require_refundable", "compensation.make_room"), ("joint.join",), ("joining._move_belongings",)],
    ids=["money beside goods", "time won by merging", "claims left behind by merging"],
)
async def test_a_desk_without_its_guard_is_found_out(
    sqlite_template: Path, monkeypatch: pytest.MonkeyPatch, guards: Sequence[str]
) -> None:
    """The broken twins."""
    for guard in guards:
        monkeypatch.setattr(f"tickets.{guard}", pass_by)

    with pytest.raises(AssertionError):
        await play(sqlite_template, 3_000, [Phase.generate])  # that it fails is enough
