"""What the shops say now of orders that something is about to be decided of: asked before the transaction that does."""

from collections.abc import Sequence

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from console.rules import Site
from shop import refunds
from shop.errors import ShopDown
from shop.port import Order
from tickets import filing
from tickets.money_errors import UnknownOrder
from tickets.tables import Claim, Ticket


async def ask_shops(site: Site, number: str) -> Sequence[Order]:
    """The orders of the undecided claims of a ticket; those of a shop that does not answer are left out."""
    async with site.database.reading() as session:
        ticket = (await session.exec(select(Ticket).where(Ticket.number == number))).first()
        claims = await filing.undecided_of(session, ticket) if ticket is not None else []
    found = [await _find(site, *place) for place in sorted({(claim.shop, claim.order_no) for claim in claims})]
    return [order for order in found if order is not None]


async def learn(session: AsyncSession, orders: Sequence[Order]) -> None:
    """Keep what the shops have paid back by themselves: the claims' ticket is locked."""
    for order in orders:
        await refunds.learn(session, order)


async def find_order(site: Site, typed: str, claim_id: int) -> Order:
    """What the shop says of the claim's order, or of the one that was typed; raises `UnknownOrder`, `ShopDown`."""
    shop, _, number = typed.strip().rpartition("/")
    if claim_id:
        async with site.database.reading() as session:
            about = select(Claim.shop, Claim.order_no).where(Claim.id == claim_id)
            shop, number = (await session.exec(about)).first() or ("", "")
    order = await site.shop.find_order(number) if number else None
    if order is None or shop not in ("", order.shop):  # a number may be another shop's as well
        raise UnknownOrder(order_no=number)
    return order


async def _find(site: Site, shop: str, order_no: str) -> Order | None:
    try:
        order = await site.shop.find_order(order_no)
    except ShopDown:
        return None
    return order if order is not None and order.shop == shop else None
