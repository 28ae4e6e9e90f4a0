"""What agents do about claims: grant replacements, one or all of a ticket, and send a link again."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop import ledger, refunds, reveals
from shop.money import in_words
from shop.tables import RevealLink
from tickets import approvals, filing, texts
from tickets.changes import changing, lock_ticket
from tickets.claim_states import ClaimState
from tickets.compensation import REFUNDS, outcomes_before, refunds_of
from tickets.errors import AlreadyCompensated, CodeSeen, InvalidTransition, NoReplacement, NotInWords, OverLimit
from tickets.fetching import Fetching
from tickets.issuing import Settled
from tickets.lifecycle import is_active
from tickets.links import MARK
from tickets.money_errors import AllPaidBack, HeldForRisk, PaidBackByShop, RefundPending
from tickets.rights import is_lead, require_hands
from tickets.tables import Agent, Claim, Outcome, Ticket, id_of
from tickets.words import IN_WORDS


class Grants(Fetching):
    """The verbs of staff."""

    async def replace(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, claim_id: int | None = None
    ) -> Settled:
        """An agent grants the replacement of one claim of the ticket, the oldest unless named; its buyer gets the link.

        With the last undecided claim the ticket is resolved, and the delivery handles it; until then it stays owed.
        Where the reserve is empty and the shop's stock is open to us, the code follows ("fetching").
        Raises `HeldByColleague`, `NoOpenClaim`, `Contested`, `AlreadyCompensated`, `AllPaidBack`, unless it is a lead
        `OverLimit`, `HeldForRisk` and `PaidBackByShop`, `NeedsSecondPerson` (see `tickets.second_person`), and what the
        ledger raises: `PoolEmpty`, `AlreadyReplaced`, and `ChainTooLong` unless it is a lead.
        """
        ticket = await lock_ticket(session, ticket_id)
        agent = await require_hands(session, ticket, agent_id)
        claims = await filing.get_to_grant(session, ticket, claim_id)
        return (await self._grant(session, now, ticket, agent, claims[:1]))[0]

    async def replace_all(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int
    ) -> Sequence[Settled]:
        """`replace` for every undecided claim of the ticket, or for none: what stands against one stops all."""
        ticket = await lock_ticket(session, ticket_id)
        agent = await require_hands(session, ticket, agent_id)
        return await self._grant(session, now, ticket, agent, await filing.get_to_grant(session, ticket))

    async def explain(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        claim_id: int,
        outcome: Outcome,
        text: str,
    ) -> Claim:
        """Decide one claim by words: it works, and how (`instruct`), or no, and why (`reject`).

        As `replace`, it resolves the ticket with the last claim. Raises `NotInWords` for another outcome,
        `NoOpenClaim`, `Contested`, `HeldByColleague`, `RefundPending`, and what is wrong with the text (see
        `tickets.texts`).
        """
        if outcome not in IN_WORDS:
            raise NotInWords(outcome=outcome)
        text = texts.tidy(text, self.desk.rules.message_limit)
        ticket = await lock_ticket(session, ticket_id)
        await require_hands(session, ticket, agent_id)
        await texts.refuse_codes(session, ticket, text)
        (claim,) = await filing.get_to_grant(session, ticket, claim_id)
        if any(refund.claim_id == claim.id for refund in await refunds_of(session, ticket)):
            raise RefundPending(number=ticket.number)
        await filing.decide(session, now, claim, outcome, f"agent:{agent_id}")
        is_last = not await filing.undecided_of(session, ticket)
        await self._tell(session, now, ticket, agent_id, claim, text, is_last=is_last)
        return claim

    async def _grant(
        self, session: AsyncSession, now: datetime, ticket: Ticket, agent: Agent, claims: Sequence[Claim]
    ) -> Sequence[Settled]:
        granted = [(claim, await self._give(session, now, ticket, agent, claim)) for claim in claims]
        left = await filing.undecided_of(session, ticket)
        for claim, link in granted:
            if link is not None:
                is_last = not left and claim is claims[-1]
                await self.hand_over(session, now, ticket, id_of(agent), claim, link, is_last=is_last)
        if fetched := [claim.masked for claim, link in granted if link is None]:
            await self.desk.tell_buyer(session, now, ticket, "claim.fetching", masked="、".join(fetched))
            await self.desk.owe(session, now, ticket)
        return [
            Settled(claim, "replaced" if link else "fetching", "agent", link=link, ticket=ticket)
            for claim, link in granted
        ]

    async def hand_over(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        agent_id: int,
        claim: Claim,
        link: RevealLink,
        *,
        is_last: bool,
    ) -> None:
        """The buyer gets the link of a replacement that an agent granted."""
        words = {"product": claim.product_name, "masked": claim.masked, "link": MARK, "until": self.until(link)}
        text = await self.desk.words(session, ticket, "claim.replaced", **words)
        await self._tell(session, now, ticket, agent_id, claim, text, link.id, is_last=is_last)

    async def _tell(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        agent_id: int,
        claim: Claim,
        text: str,
        link_id: int | None = None,
        *,
        is_last: bool,
    ) -> None:
        """What became of one claim. The last one resolves the ticket; before it the ticket stays owed."""
        if is_last:
            await self.desk.conclude(session, now, ticket, agent_id, Outcome(claim.outcome or ""), text, link_id)
            return
        if not is_active(ticket.phase):
            raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb="resolved")
        with changing(session, now, ticket, f"agent:{agent_id}", "ticket.part_settled", claim=claim.id):
            ticket.assignee_id = ticket.assignee_id or agent_id
        await self.desk.speak(session, now, ticket, agent_id, text, link_id, handles=False)

    async def _give(
        self, session: AsyncSession, now: datetime, ticket: Ticket, agent: Agent, claim: Claim
    ) -> RevealLink | None:
        if REFUNDS & await outcomes_before(session, claim):
            raise AlreadyCompensated(number=ticket.number)
        if not is_lead(agent):
            await self._require_lead_for(session, agent, claim)
        await _refuse_what_was_paid_back(session, agent, claim)
        await approvals.require_granted(session, self.desk.rules.money, claim, agent)
        order, actor = filing.order_as_filed(claim), f"agent:{agent.id}"
        return await self.issue_or_fetch(session, now, claim, order, actor, may_lengthen=is_lead(agent))

    async def _require_lead_for(self, session: AsyncSession, agent: Agent, claim: Claim) -> None:
        """Raises `OverLimit`, and `HeldForRisk` where there is a lead who could look."""
        if claim.price > self.rules.auto_limit:
            raise OverLimit(product=claim.product_name)
        if claim.state == ClaimState.HELD and await approvals.who_may_grant(session, id_of(agent)):
            raise HeldForRisk(masked=claim.masked)

    async def renew_link(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, claim_id: int
    ) -> RevealLink:
        """An agent sends the buyer a new link to a replacement that nobody has seen; the one before it ends.

        Any claim of the ticket's conversation will do: the bot settles without a ticket. On an unsettled ticket this is
        an answer. Raises `HeldByColleague`, `NoReplacement`, `AlreadyCompensated`, `CodeSeen`.
        """
        ticket = await lock_ticket(session, ticket_id)
        await require_hands(session, ticket, agent_id)
        claim, given = await session.get(Claim, claim_id), await ledger.find_granted(session, claim_id)
        if claim is None or claim.conversation_id != ticket.conversation_id:
            raise NoReplacement(number=ticket.number)
        if REFUNDS & (await outcomes_before(session, claim) | {claim.outcome}):
            raise AlreadyCompensated(number=ticket.number)
        if given is None or not await reveals.is_out(session, given.code_id):
            raise NoReplacement(number=ticket.number)
        actor = f"agent:{agent_id}"
        link = await self._make_link(session, now, given.code_id, actor)
        if await reveals.was_seen(session, given.code_id):
            raise CodeSeen(number=ticket.number)
        record(session, now, actor, "claim.link_renewed", f"claim:{claim.id}", after={"link": link.id})
        words = {"masked": claim.masked, "link": MARK, "until": self.until(link)}
        text = await self.desk.words(session, ticket, "claim.link_renewed", **words)
        if is_active(ticket.phase):
            await self.desk.answer(session, now, ticket, agent_id, text, link.id)
        else:
            await self.desk.speak(session, now, ticket, agent_id, text, link.id, handles=False)
        return link

    def until(self, link: RevealLink) -> str:
        """When a link ends, as buyers are told instants."""
        return f"{link.expires_at.astimezone(self.desk.rules.zone):%m-%d %H:%M}"


async def _refuse_what_was_paid_back(session: AsyncSession, agent: Agent, claim: Claim) -> None:
    """Money that the shop itself has paid back, as far as it was asked since: the order's money is held."""
    amount, is_all = await refunds.find_foreign(session, claim.shop, claim.order_no)
    if amount and is_all:
        raise AllPaidBack(order_no=claim.order_no)
    if amount and not is_lead(agent) and await approvals.who_may_grant(session, id_of(agent)):
        raise PaidBackByShop(amount=in_words(amount, claim.currency), order_no=claim.order_no)
