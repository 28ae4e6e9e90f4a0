"""A counter for claims: a floor, a pool of reserve codes behind it, and what happens in front of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import reveals
from shop.codes import seal_code
from shop.invariants import check_invariants
from shop.port import CodeRef, Goods, Order, OrderStatus
from shop.states import OUT
from shop.tables import Batch, Code, CodeState, OrderCode, Pool, Product, Refund, RevealLink, ShopOrder, Supplier
from shop.vault import Vault
from tickets.claims import ClaimRules, Claims, Outcome, Reason, Settled
from tickets.compensation import REFUNDS
from tickets.refunds import Refunds
from tickets.tables import Claim, Conversation, Ticket

if TYPE_CHECKING:
    from tests.tickets.conftest import Floor

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.fromisoformat("2026-03-02T04:00:00+00:00")
GOODS = Goods("STEAM-50", "Steam 50元充值卡", 4_850, "CNY", warranty=30 * DAY)
ORDER = Order(
    shop="demo",
    order_no="AB12CD34EF56GH78",
    status=OrderStatus.DELIVERED,
    goods=GOODS,
    quantity=1,
    paid=4_850,
    refunded=0,
    paid_at=NOW - DAY,
    delivered_at=NOW - DAY,
)
RESERVE = ("RSRV-0000-0001-AAAA", "RSRV-0000-0002-BBBB", "RSRV-0000-0003-CCCC")
RULES = ClaimRules(reveal_url=lambda token: f"https://help.example/r/{token}")


@dataclass
class Counter:
    """Where claims are filed: a floor, and a pool of reserve codes behind it."""

    floor: "Floor"
    claims: Claims
    conversation: Conversation
    code: CodeRef

    async def file(self, order: Order = ORDER, code: CodeRef | None = None, **options: Any) -> Settled:
        reason = options.pop("reason", Reason.ALREADY_USED)
        return await self.floor.do(self.claims.file, self.conversation, order, code or self.code, reason, **options)

    async def file_all(self, codes: Sequence[CodeRef], order: Order = ORDER, **options: Any) -> Sequence[Settled]:
        reason = options.pop("reason", Reason.ALREADY_USED)
        return await self.floor.do(self.claims.file_all, self.conversation, order, codes, reason, **options)

    async def grant(self, ticket: Ticket | None, agent: int, **options: Any) -> Settled:
        assert ticket is not None
        return await self.floor.do(self.claims.replace, ticket.id, agent, **options)

    async def resolve(self, ticket: Ticket | None, agent: int, outcome: Outcome) -> None:
        """End the ticket: with a refund, which is paid by hand, by that alone."""
        assert ticket is not None
        if outcome not in REFUNDS:
            await self.floor.do(self.floor.desk.resolve, ticket.id, agent, outcome)
            return
        refund = await self.ask_refund(ticket, agent, amount=1_000 if outcome == Outcome.PARTIAL_REFUND else None)
        await self.pay(refund, agent)

    async def ask_refund(self, ticket: Ticket | None, agent: int, order: Order = ORDER, **options: Any) -> Refund:
        """Of the first claim of the ticket, unless another one is named."""
        assert ticket is not None
        if "claim_id" not in options:
            options["claim_id"] = (await self.floor.all(Claim, ticket_id=ticket.id))[0].id
        return await self.floor.do(self.refunds.ask, ticket.id, agent, order, **options)

    async def pay(self, refund: Refund, agent: int, **options: Any) -> Refund:
        """The shop cannot, so this agent does."""
        await self.floor.do(self.refunds.by_hand, refund.id, **options)
        return await self.floor.do(self.refunds.mark_paid, refund.id, agent, "wx-4200001", **options)

    @property
    def refunds(self) -> Refunds:
        return Refunds(self.floor.desk)

    async def call_back(self) -> None:
        """What a broken twin gave beside the money: the books tell it, and it is out of use again."""
        async with self.floor.database.writing() as session:
            assert any("replaced and refunded" in problem for problem in await check_invariants(session))
            await session.exec(update(Code).where(col(Code.state).in_(OUT)).values(state="quarantined"))

    async def look(self, link: RevealLink | None, *, at: datetime | None = None) -> str:
        assert link is not None
        token = reveals.read_token(self.claims.vault, link)
        return (await self.floor.do(self.claims.reveal, token, "web", at=at)).text

    def new_code(self, text: str, position: int = 1) -> CodeRef:
        return CodeRef(self.claims.vault.fingerprint(text), f"****-{text[-4:]}", position)


async def sell(session: AsyncSession, vault: Vault, text: str, order_no: str, at: datetime) -> Code:
    """One code out of the stock that `stock` put up, in an order of its own that was delivered at `at`."""
    code = seal_code(vault, product_id=1, batch_id=1, text=text, pool=Pool.STOCK, state=CodeState.ISSUED)
    order = ShopOrder(
        shop="demo",
        order_no=order_no,
        product_id=1,
        quantity=1,
        status=OrderStatus.DELIVERED,
        paid=GOODS.price,
        created_at=at,
        delivered_at=at,
    )
    session.add_all([code, order])
    await session.flush()
    session.add(OrderCode(order_id=order.id, code_id=code.id, position=1))
    return code


async def stock(floor: "Floor", vault: Vault, reserve: tuple[str, ...]) -> None:
    async with floor.database.writing() as session:
        supplier = Supplier(name="供应商一")
        product = Product(shop="demo", sku="STEAM-50", name=GOODS.name, price=GOODS.price, warranty=GOODS.warranty)
        session.add_all([supplier, product])
        await session.flush()
        batch = Batch(supplier_id=supplier.id, product_id=product.id, name="一", arrived_at=floor.now)
        session.add(batch)
        await session.flush()
        place = {"product_id": product.id, "batch_id": batch.id, "pool": Pool.RESERVE}
        session.add_all([seal_code(vault, text=text, **place) for text in reserve])
