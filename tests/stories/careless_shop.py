"""A dujiaoka that sells as it does: reads which cards are free, without a lock, and marks them as sold at last.

`python careless_shop.py SHOP_URL TILLS ORDERS`: so many tills, until each has sold so many orders or nothing is left.
"""

import asyncio
import random
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

SHANGHAI = ZoneInfo("Asia/Shanghai")
# It asks for no order, so that the server gives any: here, to make it hard, out of those that are taken first.
NEWEST = "SELECT id, carmi FROM carmis WHERE goods_id = 50 AND status = 1 ORDER BY id DESC LIMIT 60"
FREE = text(f"SELECT id, carmi FROM ({NEWEST}) newest ORDER BY RAND() LIMIT :amount")
ORDER = text(
    "INSERT INTO orders (order_sn, goods_id, title, type, buy_amount, actual_price, email, info, buy_ip, status,"
    " created_at, updated_at) VALUES (:number, 50, 'Steam', 1, :amount, 48.5, 'a@qq.com', :info, '', 4, :now, :now)"
)
SLOW = 0.06  # of the sales take longer than a sale should


async def sell(engine: AsyncEngine, till: int, orders: int) -> None:
    chance = random.Random(till)
    for number in range(orders):
        async with engine.begin() as connection:
            amount = chance.choice((1, 1, 2))
            cards = (await connection.execute(FREE, {"amount": amount})).all()
            if not cards:
                return
            await asyncio.sleep(chance.uniform(2.6, 3.2) if chance.random() < SLOW else chance.uniform(0.05, 0.4))
            facts = {"number": f"SHOP{till:03d}{number:09d}", "amount": len(cards)}
            now = datetime.now(SHANGHAI).replace(tzinfo=None)
            await connection.execute(ORDER, facts | {"info": "\n".join(card.carmi for card in cards), "now": now})
            ids = ", ".join(str(card.id) for card in cards)
            sold = text(f"UPDATE carmis SET status = 2, updated_at = :now WHERE id IN ({ids})")
            await connection.execute(sold, {"now": now})


async def main(url: str, tills: int, orders: int) -> None:
    engine = create_async_engine(make_url(url).set(drivername="mysql+aiomysql"), pool_size=tills)
    await asyncio.gather(*(sell(engine, till, orders) for till in range(tills)))
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
