"""What becomes of a granted replacement when our reserve is empty: the shop is asked for a code of its own stock, where
its owner lets us. `tickets.errands` asks; here is what is written with the decision.
"""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from shop import errands, taken
from shop.errors import PoolEmpty
from shop.port import Order, Power
from shop.tables import RevealLink
from tickets import filing
from tickets.claim_states import ClaimState
from tickets.issuing import Issuing
from tickets.supplier_checks import LANGUAGE
from tickets.tables import Claim, id_of


class Fetching(Issuing):
    """How the verbs of a claim give a code, from wherever there is one."""

    def may_fetch(self, shop: str) -> bool:
        """Whether the owner of this shop lets us take codes out of its stock."""
        return Power.ISSUE in self.powers_of(shop)

    async def issue(
        self,
        session: AsyncSession,
        now: datetime,
        claim: Claim,
        order: Order,
        actor: str,
        *,
        may_lengthen: bool = False,
    ) -> RevealLink:
        """Give a code of our reserve; raises what the ledger and the breakers raise."""
        link = await self._issue(session, now, claim, order, actor, may_lengthen=may_lengthen)
        await self._tell_shop(session, now, claim, order, actor)
        return link

    async def issue_or_fetch(
        self,
        session: AsyncSession,
        now: datetime,
        claim: Claim,
        order: Order,
        actor: str,
        *,
        may_lengthen: bool = False,
    ) -> RevealLink | None:
        """`issue`; None where the reserve is empty and the shop is asked: the code follows, or a person is told."""
        can_fetch = self.may_fetch(claim.shop)
        if can_fetch and claim.state == ClaimState.FETCHING:
            return None
        try:
            return await self.issue(session, now, claim, order, actor, may_lengthen=may_lengthen)
        except PoolEmpty:
            if not can_fetch or await taken.is_kept_back(session, claim.shop, claim.sku):
                raise
        await self._want(session, now, claim, order, actor, may_lengthen)
        return None

    async def _want(
        self, session: AsyncSession, now: datetime, claim: Claim, order: Order, actor: str, may_lengthen: bool
    ) -> None:
        """An errand that was given up may still be on its way, and is wanted again."""
        what = (Power.ISSUE, order, claim.fingerprint, id_of(claim), actor)
        if await errands.want(session, now, *what, may_lengthen=may_lengthen) is None:
            await errands.revive(session, now, id_of(claim), actor, may_lengthen=may_lengthen)
        filing.move(session, now, claim, ClaimState.FETCHING, actor)

    async def _tell_shop(self, session: AsyncSession, now: datetime, claim: Claim, order: Order, actor: str) -> None:
        """Where the owner switched it on, the bad card is marked there, if it came from there, and the order noted."""
        powers, about = self.powers_of(claim.shop), (order, claim.fingerprint, id_of(claim), actor)
        if Power.QUARANTINE in powers and claim.round == 1:
            await errands.want(session, now, Power.QUARANTINE, *about)
        if Power.NOTE in powers:
            words = self.desk.say(LANGUAGE, "errand.note", masked=claim.masked, claim=claim.id)
            await errands.want(session, now, Power.NOTE, *about, text=words)
