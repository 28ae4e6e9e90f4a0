"""Claims: what a buyer says about one code of one order, and what becomes of it.

A claim is settled by the ledger in the same transaction, or it opens a ticket. One code has one open claim at most, and
the ledger issues one replacement per code, whoever files how often at once. Another buyer's claim about a code whose
claim is open is set aside: it has a ticket and no outcome, but `decided_at` from its beginning.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop import ledger, reveals
from shop.errors import AlreadyReplaced, ChainTooLong, PoolEmpty, ShopError
from shop.port import CodeRef, Order, OrderStatus
from shop.tables import RevealLink
from shop.vault import Vault
from tickets import filing
from tickets.changes import lock_ticket
from tickets.compensation import REFUNDS, outcomes_before
from tickets.conversations import add_note
from tickets.desk import Desk
from tickets.errors import AlreadyCompensated, CodeSeen, NoReplacement, OverLimit
from tickets.filing import order_as_filed
from tickets.lifecycle import is_active
from tickets.links import MARK, Links
from tickets.rights import is_lead, require_hands
from tickets.tables import Category, Claim, Conversation, Level, Ticket, Trigger, id_of
from tickets.tables import Outcome as Outcome
from tickets.tables import Reason as Reason

AUTO_REASONS = frozenset(
    {Reason.ALREADY_USED, Reason.DOES_NOT_EXIST, Reason.NOT_ACTIVATED, Reason.EXPIRED, Reason.WRONG_VALUE}
)
# What the ledger refuses, as the `why` of a claim.
REFUSALS: dict[type[ShopError], str] = {
    AlreadyReplaced: "already_replaced",
    ChainTooLong: "chain_too_long",
    PoolEmpty: "pool_empty",
}


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What the bot may settle by itself."""

    reveal_url: Callable[[str], str]  # token → link
    reveal_ttl: timedelta = timedelta(hours=24)
    auto_limit: int = 20_000  # minor units: the price up to which a code is replaced without a person
    auto_reasons: frozenset[Reason] = AUTO_REASONS


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a claim."""

    claim: Claim
    kind: Literal["replaced", "link", "ticket"]  # "link": the code it was given before, by a new link
    why: str  # "auto", or why a person must look: see `why_not`, `REFUSALS`, "contested"
    link: RevealLink | None = field(default=None, repr=False)  # the one look at the new code
    ticket: Ticket | None = None
    is_repeat: bool = False  # the same claim was open before


def why_not(now: datetime, order: Order, reason: Reason, rules: ClaimRules) -> str | None:
    """Why the bot may not replace a code by itself; None when it may."""
    if order.refunded > 0:
        return "refunded"
    if order.status != OrderStatus.DELIVERED or order.delivered_at is None:
        return "not_delivered"
    if reason not in rules.auto_reasons:
        return "reason"
    if order.goods.price > rules.auto_limit:
        return "over_limit"
    if now > order.delivered_at + order.goods.warranty:
        return "warranty_over"
    return None


@dataclass(frozen=True)
class Claims:
    """The verbs of a claim."""

    desk: Desk
    vault: Vault
    rules: ClaimRules

    @property
    def links(self) -> Links:
        """What puts the addresses of reveal links into messages."""
        return Links(self.vault, self.rules.reveal_url, self.desk.say)

    async def file(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        order: Order,
        code: CodeRef,
        reason: Reason,
    ) -> Settled:
        """Settle a claim at once where the rules allow it, else open a ticket; filed again, it finds that ticket.

        Whoever has a replacement that nobody has seen yet gets its link again, never another code.
        """
        if (again := await self._link_again(session, now, conversation, order, code)) is not None:
            return again
        known = await filing.find_undecided(session, conversation.buyer_id, order, code)
        claim = known or await filing.create(session, now, conversation, order, code, reason)
        if claim.ticket_id is not None:
            ticket = await session.get_one(Ticket, claim.ticket_id)
            return Settled(claim, "ticket", claim.why or "", ticket=ticket, is_repeat=True)
        if claim.decided_at is not None:
            return await self._open_contested(session, now, conversation, claim)
        why = why_not(now, order, reason, self.rules)
        if why is None and await outcomes_before(session, claim):
            why = "decided_before"
        if await ledger.find_replacement(session, order.shop, order.order_no, code.fingerprint) is not None:
            why = "already_replaced"
        if why is None:
            try:
                link = await self._issue(session, now, claim, order, code, "bot", "auto")
            except (AlreadyReplaced, ChainTooLong, PoolEmpty) as refusal:
                why = REFUSALS[type(refusal)]
            else:
                return Settled(claim, "replaced", "auto", link=link)
        return await self._open_ticket(session, now, conversation, claim, why)

    async def replace(self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int) -> Settled:
        """An agent grants the replacement of the ticket's claim: the link goes to the buyer, and its delivery handles.

        Raises `HeldByColleague`, `NoOpenClaim`, `Contested`, `AlreadyCompensated`, `OverLimit` unless it is a lead, and
        what the ledger raises: `PoolEmpty`, `AlreadyReplaced`, and `ChainTooLong` unless it is a lead.
        """
        ticket = await lock_ticket(session, ticket_id)
        agent = await require_hands(session, ticket, agent_id)
        claim = await filing.get_to_grant(session, ticket)
        if REFUNDS & await outcomes_before(session, claim):
            raise AlreadyCompensated(number=ticket.number)
        if claim.price > self.rules.auto_limit and not is_lead(agent):
            raise OverLimit(product=claim.product_name)
        code = CodeRef(claim.fingerprint, claim.masked, claim.position)
        actor, order = f"agent:{agent_id}", order_as_filed(claim)
        link = await self._issue(session, now, claim, order, code, actor, "agent", may_lengthen=is_lead(agent))
        words = {"product": claim.product_name, "masked": claim.masked, "link": MARK}
        text = await self.desk.words(session, ticket, "claim.replaced", **words)
        await self.desk.conclude(session, now, ticket, agent_id, Outcome.REPLACE, text, link.id)
        return Settled(claim, "replaced", "agent", link=link, ticket=ticket)

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
        text = await self.desk.words(session, ticket, "claim.link_renewed", masked=claim.masked, link=MARK)
        if is_active(ticket.phase):
            await self.desk.answer(session, now, ticket, agent_id, text, link.id)
        else:
            await self.desk.speak(session, now, ticket, agent_id, text, link.id, handles=False)
        return link

    async def _link_again(
        self, session: AsyncSession, now: datetime, conversation: Conversation, order: Order, code: CodeRef
    ) -> Settled | None:
        """The link of the replacement that this conversation has and nobody has opened, made anew."""
        place = order.shop, order.order_no, code.fingerprint
        given = await ledger.find_replacement(session, *place) or await ledger.find_issued(session, *place)
        if given is None or order.status != OrderStatus.DELIVERED or order.refunded > 0:
            return None
        claim = await session.get_one(Claim, given.claim_id)
        is_theirs = claim.conversation_id == conversation.id
        if not is_theirs or REFUNDS & (await outcomes_before(session, claim) | {claim.outcome}):
            return None
        if not await reveals.is_out(session, given.code_id) or await reveals.was_seen(session, given.code_id):
            return None
        if await filing.find_open(session, order, code):
            return None
        return Settled(claim, "link", "again", link=await self._make_link(session, now, given.code_id, "bot"))

    async def _make_link(self, session: AsyncSession, now: datetime, code_id: int, actor: str) -> RevealLink:
        """The one link of a code that can be opened from now on."""
        await reveals.close_links(session, now, code_id, actor=actor)
        return await reveals.make_link(session, now, self.vault, code_id, self.rules.reveal_ttl, actor=actor)

    async def _issue(
        self,
        session: AsyncSession,
        now: datetime,
        claim: Claim,
        order: Order,
        code: CodeRef,
        actor: str,
        why: str,
        *,
        may_lengthen: bool = False,
    ) -> RevealLink:
        """Take a code through the ledger, decide the claim, and return the link to the one look at it."""
        replacement = await ledger.issue_replacement(
            session,
            now,
            self.vault,
            claim_id=id_of(claim),
            order=order,
            replaced=code,
            actor=actor,
            may_lengthen=may_lengthen,
        )
        link = await self._make_link(session, now, replacement.code_id, actor)
        claim.outcome, claim.why, claim.decided_at = Outcome.REPLACE, why, now
        session.add(claim)
        after = {"outcome": Outcome.REPLACE, "why": why}
        record(session, now, actor, "claim.decided", f"claim:{claim.id}", None, after)
        return link

    async def _open_ticket(
        self, session: AsyncSession, now: datetime, conversation: Conversation, claim: Claim, why: str
    ) -> Settled:
        is_urgent = why == "pool_empty"  # the buyer is in the right, only goods are missing
        ticket = await self.desk.open(
            session,
            now,
            conversation,
            Category.CLAIM,
            f"{claim.product_name} {claim.masked}",
            level=Level.HUMAN_QUEUE if is_urgent else Level.BOT_LANE,
            trigger=Trigger.POOL_EMPTY if is_urgent else "",
            order_ref=f"{claim.shop}/{claim.order_no}",
            product=claim.sku,
        )
        claim.ticket_id, claim.why = ticket.id, why
        session.add(claim)
        await session.flush()
        return Settled(claim, "ticket", why, ticket=ticket)

    async def _open_contested(
        self, session: AsyncSession, now: datetime, conversation: Conversation, claim: Claim
    ) -> Settled:
        """A ticket of its own, with a note on it and on the other: who has the code is for a person to find out."""
        settled = await self._open_ticket(session, now, conversation, claim, "contested")
        other = await filing.find_rival(session, claim)
        if other is not None and settled.ticket is not None:
            for ticket, named in ((settled.ticket, other), (other, settled.ticket)):
                word = self.desk.say(self.desk.rules.staff_language, "notice.contested", number=named.number)
                await add_note(session, now, ticket, word)
        return settled
