"""How a replacement goes out: a code through the ledger, and one link to it that can be opened, once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from shop import ledger, reveals
from shop.port import CodeRef, Order, OrderStatus, Power
from shop.reveals import Revealed
from shop.tables import RevealLink
from shop.vault import Vault
from tickets import filing
from tickets.breakers import BreakerRules, Breakers
from tickets.cases import Case, read_case
from tickets.claim_states import ClaimState, can_move
from tickets.compensation import REFUNDS, outcomes_before
from tickets.desk import Desk
from tickets.links import Links
from tickets.tables import Claim, Conversation, Outcome, Reason, Ticket, id_of

AUTO_REASONS = frozenset(
    {Reason.ALREADY_USED, Reason.DOES_NOT_EXIST, Reason.NOT_ACTIVATED, Reason.EXPIRED, Reason.WRONG_VALUE}
)


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What the bot may settle by itself."""

    reveal_url: Callable[[str], str]  # token → link
    chat_url: Callable[[str], str] | None = None  # see `tickets.links`; None: buyers cannot reach our web chat
    reveal_ttl: timedelta = timedelta(hours=24)
    auto_limit: int = 20_000  # minor units: the price up to which a code is replaced without a person
    auto_reasons: frozenset[Reason] = AUTO_REASONS
    proof_within: timedelta = timedelta(hours=48)  # a claim whose screenshot does not come closes after this time
    closed_after: timedelta = timedelta(hours=72)  # and a settled one about which nothing more is heard
    breakers: BreakerRules = field(default_factory=BreakerRules)  # how much may go out before somebody looks


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a claim."""

    claim: Claim
    # "link": the code it was given before, by a new link; "proof": a screenshot is awaited; "fetching": the shop is
    # asked for a code of its own stock, and the buyer hears of it again.
    kind: Literal["replaced", "link", "ticket", "proof", "fetching"]
    why: str  # "auto", or why a person must look: see `claims.why_not`, `claims.REFUSALS`, "contested", "no_proof"
    link: RevealLink | None = field(default=None, repr=False)  # the one look at the new code
    ticket: Ticket | None = None
    is_repeat: bool = False  # the same claim was open before


def _no_powers(_shop: str) -> frozenset[Power]:
    return frozenset()


@dataclass(frozen=True)
class Issuing:
    """What the verbs of a claim do with codes and links."""

    desk: Desk
    vault: Vault
    rules: ClaimRules
    powers_of: Callable[[str], frozenset[Power]] = _no_powers  # what each shop can do, by its name

    @property
    def links(self) -> Links:
        """What puts the addresses of reveal links into messages."""
        return Links(self.vault, self.rules.reveal_url, self.desk.say, self.rules.chat_url)

    async def reveal(self, session: AsyncSession, now: datetime, token: str, seen_from: str) -> Revealed:
        """Show the code of a link, once: the claim that brought it is delivered. Raises `LinkGone`."""
        link = await reveals.find_link(session, now, token)
        revealed = await reveals.open_link(session, now, self.vault, token, seen_from)
        claim = await filing.find_granted(session, link.code_id) if link else None
        if link is not None and claim is not None and can_move(claim.state, ClaimState.DELIVERED):
            filing.move(session, now, claim, ClaimState.DELIVERED, f"link:{link.id}")
        return revealed

    async def link_again(
        self, session: AsyncSession, now: datetime, conversation: Conversation, order: Order, code: CodeRef
    ) -> Settled | None:
        """The link of the replacement that this conversation has and nobody has opened, made anew."""
        case = await read_case(session, order.shop, order.order_no, code.fingerprint)
        return await self._link_again(session, now, conversation, order, case)

    async def _link_again(
        self, session: AsyncSession, now: datetime, conversation: Conversation, order: Order, case: Case
    ) -> Settled | None:
        given = case.history.replaced_by or case.history.brought_by
        if given is None or order.status != OrderStatus.DELIVERED or order.refunded > 0:
            return None
        claim = await session.get_one(Claim, given.claim_id)
        is_theirs = claim.conversation_id == conversation.id
        if not is_theirs or REFUNDS & (await outcomes_before(session, claim) | {claim.outcome}):
            return None
        if not await reveals.is_out(session, given.code_id) or await reveals.was_seen(session, given.code_id):
            return None
        if case.is_open():
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
        actor: str,
        *,
        may_lengthen: bool = False,
    ) -> RevealLink:
        """Take a code through the ledger, decide the claim, and return the link to the one look at it."""
        async with Breakers(self.desk, self.rules.breakers).turn(session, now, claim, actor):
            replacement = await ledger.issue_replacement(
                session,
                now,
                self.vault,
                claim_id=id_of(claim),
                order=order,
                replaced=filing.code_of(claim),
                actor=actor,
                may_lengthen=may_lengthen,
            )
        # The first link of a code that was free: there is none to close.
        ttl = self.rules.reveal_ttl
        link = await reveals.make_link(session, now, self.vault, replacement.code_id, ttl, actor=actor)
        await filing.decide(session, now, claim, Outcome.REPLACE, actor)
        return link
