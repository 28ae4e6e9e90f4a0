"""Screenshots that staff ask for: a claim that people have waits on its buyer, and is theirs again when it comes.

What the bot asks for before anybody has the claim is `tickets.claims`' own. Here silence is the ticket's: it is closed
as every ticket whose buyer was answered, and its claims with it.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.port import Order
from tickets import filing, pictures, texts
from tickets.changes import lock_ticket
from tickets.claim_states import ClaimState
from tickets.claims import Claims
from tickets.errors import NoOpenClaim
from tickets.rights import require_hands
from tickets.tables import Claim, Conversation, Message, Ticket, id_of

HELD_FOR, LACKING = "risk", "no_proof"  # the `why` of a claim that may be fraud, and of one without a screenshot


class Screenshots:
    """The verbs of staff who ask, and of the buyer who answers."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._desk = claims.desk

    async def ask(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, claim_id: int, text: str
    ) -> Claim:
        """Ask the buyer by these words, which are an answer: the ticket waits on them, with the clocks that pause then.

        Raises `HeldByColleague`, `NoOpenClaim`, `ClaimStands` where the table has no such step, and what is wrong with
        the text (see `tickets.texts`).
        """
        text = texts.tidy(text, self._desk.rules.message_limit)
        ticket = await lock_ticket(session, ticket_id)
        await require_hands(session, ticket, agent_id)
        await texts.refuse_codes(session, ticket, text)
        claim = next((one for one in await filing.undecided_of(session, ticket) if one.id == claim_id), None)
        if claim is None:
            raise NoOpenClaim(number=ticket.number)
        filing.move(session, now, claim, ClaimState.EVIDENCE, f"agent:{agent_id}")
        await self._desk.answer(session, now, ticket, agent_id, text)
        return claim

    async def take(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        order_no: str,
        message: Message,
        order: Order | None,
        words: str = "",
    ) -> Sequence[Ticket]:
        """The picture has come with `message`: who asked for it has the claims about this order again; their tickets.

        With the order at hand they are weighed anew: the picture may be one of another claim. `words` came with it.
        """
        tickets = []
        for ticket in await _asked(session, conversation, order_no):
            heard = await self._desk.hear(session, now, ticket, message)
            tickets.append(heard.ticket)
            for claim in await _waiting(session, heard.ticket, order_no):
                filing.note(claim, words)
                claim.why = None if claim.why == LACKING else claim.why
                await pictures.attach(session, now, claim)
                await self._resume(session, now, claim, await self._is_held(session, now, claim, order))
        return tickets

    async def do_without(
        self, session: AsyncSession, now: datetime, conversation: Conversation, message: Message
    ) -> Sequence[Ticket]:
        """The buyer has none, and says so by `message`: the claims go on without; their tickets."""
        tickets = []
        for ticket in await _asked(session, conversation):
            heard = await self._desk.hear(session, now, ticket, message)
            tickets.append(heard.ticket)
            for claim in await _waiting(session, heard.ticket):
                await self._resume(session, now, claim, claim.why == HELD_FOR, why=LACKING)
        return tickets

    async def _is_held(self, session: AsyncSession, now: datetime, claim: Claim, order: Order | None) -> bool:
        """Whether it may be fraud, by what is known now; with the shop away as before."""
        if order is None:
            return claim.why == HELD_FOR
        stops = [stop for gate in self._claims.gates if (stop := await gate(session, now, claim, order)) is not None]
        held = next((stop for stop in stops if stop.state == ClaimState.HELD), None)
        if held is not None:
            claim.why = held.why
        return held is not None

    async def _resume(self, session: AsyncSession, now: datetime, claim: Claim, is_held: bool, **facts: object) -> None:
        """Back to people, and to the supplier who is to be asked, or was asked and has not answered."""
        state = ClaimState.HELD if is_held else ClaimState.REVIEW
        filing.move(session, now, claim, state, f"buyer:{claim.buyer_id}", **facts)
        await self._desk.put_to_suppliers(session, now, [claim])


async def _asked(session: AsyncSession, conversation: Conversation, order_no: str | None = None) -> Sequence[Ticket]:
    """The tickets of this conversation whose claims wait for a screenshot, in the order of their ids."""
    waiting = select(Claim.ticket_id).where(*_awaited(order_no))
    found = select(Ticket).where(Ticket.conversation_id == id_of(conversation), col(Ticket.id).in_(waiting))
    return (await session.exec(found.order_by(col(Ticket.id)))).all()


async def _waiting(session: AsyncSession, ticket: Ticket, order_no: str | None = None) -> Sequence[Claim]:
    """The claims of a locked ticket that wait for one."""
    found = select(Claim).where(Claim.ticket_id == ticket.id, *_awaited(order_no)).order_by(col(Claim.id))
    return (await session.exec(found.with_for_update().execution_options(populate_existing=True))).all()


def _awaited(order_no: str | None) -> tuple[bool, ...]:
    is_of_order = () if order_no is None else (Claim.order_no == order_no,)
    return (Claim.state == ClaimState.EVIDENCE, *is_of_order)
