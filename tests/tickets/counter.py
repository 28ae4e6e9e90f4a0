"""A counter for claims: a floor, a pool of reserve codes behind it, and what happens in front of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shop import reveals
from shop.codes import seal_code
from shop.port import CodeRef, Goods, Order, OrderStatus
from shop.tables import Batch, Pool, Product, RevealLink, Supplier
from shop.vault import Vault
from tickets.claims import ClaimRules, Claims, Outcome, Reason, Settled
from tickets.tables import Conversation, Ticket

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

    async def grant(self, ticket: Ticket | None, agent: int, **options: Any) -> Settled:
        assert ticket is not None
        return await self.floor.do(self.claims.replace, ticket.id, agent, **options)

    async def resolve(self, ticket: Ticket | None, agent: int, outcome: Outcome) -> None:
        assert ticket is not None
        await self.floor.do(self.floor.desk.resolve, ticket.id, agent, outcome)

    async def look(self, link: RevealLink | None, *, at: datetime | None = None) -> str:
        assert link is not None
        token = reveals.read_token(self.claims.vault, link)
        return (await self.floor.do(reveals.open_link, self.claims.vault, token, "web", at=at)).text

    def new_code(self, text: str) -> CodeRef:
        return CodeRef(self.claims.vault.fingerprint(text), f"****-{text[-4:]}", 1)


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
