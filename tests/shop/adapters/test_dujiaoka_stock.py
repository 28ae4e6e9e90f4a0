"""Cards out of dujiaoka's stock on a real MariaDB: once, the same for the same key, wherever it was ended."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from kadesk.database import Database
from shop import marks
from shop.adapters.connection import ShopDatabase
from shop.adapters.dujiaoka import FORK_BALANCES, FORK_ITEMS, FORK_ORDERS, FORK_STOCK, ORDERS, STOCK, Dujiaoka
from shop.adapters.dujiaoka_stock import WRITTEN, Till
from shop.errors import BadCredentials, ShopDown
from shop.port import Answer, Power
from shop.vault import Vault
from tests.shop.adapters import dujiaoka
from tests.shop.adapters.conftest import fill, ground, make_reader, new_mariadb, open_owner, run
from tests.shop.adapters.dujiaoka import Sale

pytestmark = [pytest.mark.mariadb, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
ORDER_NO, SHANGHAI = "AB12CD34EF56GH78", ZoneInfo("Asia/Shanghai")
READ = {"original": (ORDERS, STOCK), "fork": (FORK_ORDERS, FORK_ITEMS, FORK_BALANCES, FORK_STOCK)}
OPENED = {"original": dujiaoka.open_original, "fork": dujiaoka.open_fork}


@dataclass
class Stand:
    url: str
    reader: str
    shop: Dujiaoka
    database: Database
    now: datetime
    edition: str

    async def cards(self, *texts: str, **changes: Any) -> None:
        sub = {"sub_id": 0} if self.edition == "fork" else {}
        card = {"goods_id": 50, "status": 1, "is_loop": 0, "deleted_at": None, **sub}
        await fill(self.url, "carmis", [card | {"carmi": one} | changes for one in texts])

    async def unsold(self) -> list[str]:
        engine = open_owner(self.url)
        async with engine.connect() as connection:
            rows = (await connection.execute(text("SELECT carmi FROM carmis WHERE status = 1 ORDER BY id"))).all()
        await engine.dispose()
        return [row[0] for row in rows]

    async def issue(self, key: str = "0" * 32) -> str | None:
        reply = await self.shop.issue(ORDER_NO, "50", key)
        assert (reply.value is not None) == (reply.answer == Answer.DONE)
        return reply.value.text if reply.value else None

    async def marked(self) -> list[tuple[str, str]]:
        async with self.database.reading() as session:
            rows = (await (await session.connection()).execute(text("SELECT state, reference FROM stock_mark"))).all()
        return sorted((row[0], row[1]) for row in rows)


def open_shop(url: str, database: Database, vault: Vault, now: datetime) -> Dujiaoka:
    till = Till("demo", ShopDatabase("demo", url, may_write=True), database, lambda: now, SHANGHAI)
    return Dujiaoka(ground(database, vault), url, till=till)


@pytest.fixture(params=OPENED)
async def stand(
    request: pytest.FixtureRequest, mariadb_url: str, database: Database, vault: Vault, now: datetime
) -> AsyncIterator[Stand]:
    async with new_mariadb(mariadb_url) as url:
        await OPENED[request.param](url, [Sale(ORDER_NO, ("SOLD0-00000-00001",))])
        reader = await make_reader(url, READ[request.param])
        user, name = make_url(reader).username, make_url(url).database
        await run(url, f"GRANT UPDATE (status, updated_at) ON {name}.carmis TO '{user}'@'%'")
        shop = open_shop(reader, database, vault, now)
        yield Stand(url, reader, shop, database, now, request.param)
        await shop.close()


async def test_the_newest_free_card_is_taken_once_for_a_key(stand: Stand) -> None:
    await stand.cards("OLDER-11111", "NEWER-22222")
    await stand.cards("LOOPS-33333", is_loop=1)
    await stand.cards("GONE0-44444", deleted_at=stand.now.replace(tzinfo=None))
    await stand.cards("OTHER-55555", goods_id=51)

    first, again, second, third = [await stand.issue(key * 32) for key in "0012"]

    assert Power.ISSUE in stand.shop.powers
    assert (first, again, second, third) == ("NEWER-22222", "NEWER-22222", "OLDER-11111", None)
    assert await stand.unsold() == ["LOOPS-33333", "GONE0-44444", "OTHER-55555"]
    refused = [await stand.shop.issue(*facts, "9") for facts in (("NOSUCHORDER00000", "50"), (ORDER_NO, "51"))]
    assert {reply.answer for reply in refused} == {Answer.REFUSED}


async def test_whoever_is_ended_between_two_steps_loses_at_most_a_card_that_is_told_of(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stand.cards("CARD1-11111", "CARD2-22222", "CARD3-33333")

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    for (place, name), key in (((Till, "_sell"), "0"), ((marks, "confirm"), "1"), ((Till, "_read"), "2")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, die)
            with pytest.raises(KeyboardInterrupt):
                await stand.issue(key * 32)

    # Before it was sold, the same card; sold and not confirmed, nobody knows whose it is; confirmed, the same card.
    assert [await stand.issue(key * 32) for key in "012"] == ["CARD3-33333", None, "CARD2-22222"]
    async with stand.database.writing() as session:
        (_lost,) = await marks.take_untold(session, stand.now)
        assert await marks.take_untold(session, stand.now) == []
    assert [state for state, _ in await stand.marked()] == ["lost", "taken", "taken"]
    assert await stand.unsold() == []


async def test_a_key_that_another_is_at_waits(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    await stand.cards("CARD1-11111", "CARD2-22222")
    find = marks.find_mark

    async def blind(*_: object) -> None:
        monkeypatch.setattr(marks, "find_mark", find)

    assert await stand.issue() == "CARD2-22222"
    monkeypatch.setattr(marks, "find_mark", blind)
    with pytest.raises(ShopDown):
        await stand.issue()
    assert await stand.unsold() == ["CARD1-11111"]


async def test_many_that_take_at_once_get_a_card_each(stand: Stand) -> None:
    await stand.cards(*(f"CARD{number}-00000" for number in range(6)))

    keys = [f"{number:08x}" + "0" * 24 for number in range(8)]
    given = await asyncio.gather(*(stand.issue(key) for key in keys))

    cards = [one for one in given if one]
    assert len(cards) == len(set(cards)) == 6
    assert [await stand.issue(key) for key in keys] == given


async def test_a_card_that_stands_in_an_order_since_is_found_whole_lines_only(stand: Stand) -> None:
    await stand.cards("CARD1-11111", "CARD2-22222", "CARD3-33333")
    for key in "012":
        await stand.issue(key * 32)
    references = {reference: state for state, reference in await stand.marked()}
    sold = Sale("LATER00000000001", ("card1 11111", "CARD2-22222-9"), quantity=2)
    late = {"made": stand.now.astimezone(SHANGHAI).replace(tzinfo=None)}
    new = replace(sold, **late, changed=late["made"])
    old = replace(new, order_no="EARLY00000000001", codes=("CARD3-33333",), changed=late["made"] - timedelta(days=1))
    if stand.edition == "fork":
        await fill(stand.url, "orders", ({"id": 90 + at, **dujiaoka._shared(one)} for at, one in enumerate((new, old))))
        await fill(stand.url, "order_items", (dujiaoka._item(90 + at, one) for at, one in enumerate((new, old))))
    else:
        await fill(stand.url, "orders", map(dujiaoka._original, (new, old)))

    reply = await stand.shop.find_resold("50", references, stand.now)

    assert reply.value is not None
    assert [*reply.value.values()] == ["LATER00000000001"]


async def test_nothing_is_written_unless_its_owner_let_us(
    stand: Stand, database: Database, vault: Vault, now: datetime
) -> None:
    await stand.cards("CARD1-11111")
    closed = Dujiaoka(ground(database, vault), stand.url)
    barred = open_shop(await make_reader(stand.url, READ[stand.edition]), database, vault, now)

    reply = await closed.issue(ORDER_NO, "50", "0" * 32)
    with pytest.raises(BadCredentials, match="GRANT UPDATE") as told:
        await barred.examine()
    await stand.shop.examine()

    assert (reply.answer, Power.ISSUE in closed.powers) == (Answer.UNSUPPORTED, False)
    assert str(told.value).count("`status`, `updated_at`") == 1
    assert [column.name for column in WRITTEN.c] == ["status", "updated_at"]
    assert await stand.unsold() == ["CARD1-11111"]
    for shop in (closed, barred):
        await shop.close()
