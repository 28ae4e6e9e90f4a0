"""From a claim to its reveal link, and a hundred thousand codes on their way in, beside the least that each costs.

`run()` works on SQLite in a fresh folder. A buyer who has proved an order files a claim about its code, which is
weighed and passes the breakers, and gets the message with the link. Beside it, in turns, the bare driver commits one
row for each transaction that took, as durably. The import is set against SQLAlchemy inserting the same rows at once,
and the bare cost of their encryption.
"""

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, event, insert
from sqlmodel import col, select, update

from benchmarks._result import at_least, at_most, machine
from bot.phrases import Phrases
from kadesk.database import Database
from kadesk.sqlite import sqlite_module
from kadesk.tables import metadata
from shop.import_kinds import Codes
from shop.import_rows import Defaults
from shop.imports import PAGE, Importer
from shop.port import CodeRef, Goods, Order, OrderStatus
from shop.states import OUT
from shop.tables import Batch, Code, Product
from shop.vault import NONCE_BYTES, Keys, Vault
from tickets.breakers import BreakerRules, Limit, Scope
from tickets.claims import ClaimRules, Claims
from tickets.conversations import find_or_create
from tickets.desk import Desk
from tickets.links import MARK
from tickets.outbox import post
from tickets.risk import RiskRules
from tickets.suspicion import Suspicion
from tickets.tables import Author, Conversation, OrderBinding, Priority, Reason

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
CLAIMS = 300
WARM = 20  # claims that are not counted
CODES = 100_000
OF_FLOOR, OF_BULK = 0.3, 3.0
GOODS = Goods("STEAM-50", "Steam 50", 4850, "CNY", timedelta(days=30))


def run() -> dict[str, Any]:
    """The bench object: {bench, machine, rows: [{what, value, unit, against, against_value, ratio, target, met}]}."""
    return {"bench": "reissue", "machine": machine(), "rows": asyncio.run(_rows())}


async def _rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="kadesk-bench-") as name:
        folder = Path(name)
        database, vault = Database(f"sqlite:///{folder / 'kadesk.db'}"), Vault(Keys.generate())
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        async with database.writing() as session:
            sold = Product(shop="demo", sku=GOODS.sku, name=GOODS.name, price=GOODS.price, warranty=GOODS.warranty)
            session.add(sold)
        try:
            return [await _import(database, vault, folder), await _claims(database, vault, folder)]
        finally:
            await database.close()


async def _import(database: Database, vault: Vault, folder: Path) -> dict[str, Any]:
    """Seconds for the whole file; the same rows once more in one insert, and their encryption alone."""
    texts = [f"{secrets.token_hex(3)}-{secrets.token_hex(3)}-{secrets.token_hex(3)}".upper() for _ in range(CODES)]
    path = folder / "codes.txt"
    path.write_text("\n".join(texts))
    importer = Importer(database, lambda: NOW, vault, Codes("demo", vault), "demo", Defaults(sku=GOODS.sku))
    started = time.perf_counter()
    report = await importer.run(path, lambda lines: None)
    spent = time.perf_counter() - started
    assert report.added == CODES
    bulk = await _bulk(database)
    what, against = f"{CODES:,} codes imported", "plain SQLAlchemy bulk insert + bare AES-GCM"
    return at_most(what, spent, "s", against, bulk + _encryption(texts), OF_BULK)


async def _bulk(database: Database) -> float:
    """The rows that the import wrote, written again by one insert each thousand."""
    async with database.reading() as session:
        rows = [code.model_dump(exclude={"id"}) for code in (await session.exec(select(Code))).all()]
    async with database.writing() as session:
        await session.exec(delete(Code))
    started = time.perf_counter()
    for first in range(0, len(rows), PAGE):
        async with database.writing() as session:
            await (await session.connection()).execute(insert(Code), rows[first : first + PAGE])
    return time.perf_counter() - started


def _encryption(texts: list[str]) -> float:
    cipher = AESGCM(secrets.token_bytes(32))
    started = time.perf_counter()
    for text in texts:
        cipher.encrypt(os.urandom(NONCE_BYTES), text.encode(), b"row")
    return time.perf_counter() - started


async def _claims(database: Database, vault: Vault, folder: Path) -> dict[str, Any]:
    shopper = _Shopper(database, vault)
    commit, close = await _bare(database, folder / "floor.db")
    ours = floor = 0.0
    for number, talk in enumerate(await shopper.meet(WARM + CLAIMS)):
        if number == WARM:
            shopper.transactions = 0
        started = time.perf_counter()
        await shopper.claim(talk, number)
        between = time.perf_counter()
        commit()
        if number >= WARM:
            ours += between - started
            floor += time.perf_counter() - between
    close()
    await _check(database)
    each = shopper.transactions / CLAIMS
    what, against = "claims settled with a link", f"bare durable commits of one row, {each:g} a claim"
    return at_least(what, CLAIMS / ours, "claims/s", against, CLAIMS / (floor * each), OF_FLOOR)


class _Shopper:
    """Buyers whose claims the bot settles. Every one has an order of their own, as most have."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.database, self.desk, self.transactions = database, Desk(Phrases()), 0
        # Every breaker that is shipped counts, and none opens.
        limits = {scope: Limit(10 * CLAIMS, timedelta(hours=24)) for scope in Scope}
        rules = ClaimRules(lambda token: f"https://kadesk.test/r/{token}", breakers=BreakerRules(limits))
        self.claims = Claims(self.desk, vault, rules, gates=(Suspicion(vault, RiskRules(person_from=50)),))
        event.listen(database.engine.sync_engine, "commit", self._count)

    def _count(self, _connection: Any) -> None:
        self.transactions += 1

    async def meet(self, count: int) -> list[Conversation]:
        async with self.database.writing() as session:
            await session.exec(update(Batch).values(supplier_id=1))
            talks = [await find_or_create(session, NOW, "web", "main", f"b{n}", "b", "zh") for n in range(count)]
            proofs: dict[str, Any] = {"shop": "demo", "way": "link", "proved_at": NOW}
            for number, talk in enumerate(talks):
                session.add(OrderBinding(identity_id=talk.identity_id, order_no=_order(number).order_no, **proofs))
        return talks

    async def claim(self, talk: Conversation, number: int) -> None:
        at, code = NOW + timedelta(hours=1), CodeRef(f"{number:064x}", "****-0000", 1)
        async with self.database.writing(is_brief=True) as session:
            settled = await self.claims.file(session, at, talk, _order(number), code, Reason.ALREADY_USED)
            assert settled.link is not None
            facts = {"masked": code.masked, "link": MARK, "ttl": "24 小时"}
            text = self.desk.say("zh", "claim.replaced_now", **facts)
            about: dict[str, Any] = {"author": Author.BOT, "priority": Priority.OUTCOME, "link_id": settled.link.id}
            await post(session, at, talk, text, **about)


def _order(number: int) -> Order:
    return Order("demo", f"ORDER{number:05d}", OrderStatus.DELIVERED, GOODS, 1, GOODS.price, 0, NOW, NOW)


async def _bare(database: Database, path: Path) -> tuple[Callable[[], object], Callable[[], None]]:
    """The bare driver's commit of one row, as durable as ours, and how to close it."""
    bare = sqlite_module().connect(path, isolation_level=None)
    async with database.engine.connect() as connection:
        for pragma in ("journal_mode", "synchronous"):
            kept = (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one()
            bare.execute(f"PRAGMA {pragma}={kept}")
    bare.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, at)")
    return lambda: bare.execute("INSERT INTO one (at) VALUES (1)"), bare.close


async def _check(database: Database) -> None:
    async with database.reading() as session:
        out = (await session.exec(select(Code.id).where(col(Code.state).in_(OUT)))).all()
    assert len(out) == WARM + CLAIMS
