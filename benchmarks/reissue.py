"""From a claim to its reveal link, and a hundred thousand codes on their way in, beside the least that each costs.

`run()` works on SQLite in a fresh folder. A buyer files a claim that the bot settles: one transaction, which ends with
a link. Beside it, in turns, the bare driver commits one row with the same durability. The import is set against
SQLAlchemy inserting the same rows at once, and the bare cost of their encryption.
"""

import asyncio
import os
import secrets
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, insert
from sqlmodel import col, select, update

from benchmarks.result import at_least, at_most, machine
from bot.phrases import Phrases
from kadesk.database import Database, sqlite_module
from kadesk.tables import metadata
from shop.import_kinds import Codes
from shop.import_rows import Defaults
from shop.imports import PAGE, Importer
from shop.ledger import OUT
from shop.port import CodeRef, Goods, Order, OrderStatus
from shop.tables import Batch, Code, Product
from shop.vault import NONCE_BYTES, Keys, Vault
from tickets.claims import ClaimRules, Claims
from tickets.conversations import find_or_create
from tickets.desk import Desk
from tickets.tables import Conversation, Reason

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
            facts = {"name": GOODS.name, "price": GOODS.price, "warranty": GOODS.warranty}
            session.add(Product(shop="demo", sku=GOODS.sku, **facts))
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
    claims = Claims(Desk(Phrases()), vault, ClaimRules(reveal_url=lambda token: f"https://kadesk.test/r/{token}"))
    async with database.writing() as session:
        await session.exec(update(Batch).values(supplier_id=1))
        talks = [await find_or_create(session, NOW, "web", "main", f"b{n}", "b", "zh") for n in range(WARM + CLAIMS)]
    bare = sqlite_module().connect(folder / "floor.db", isolation_level=None)
    bare.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE one (id INTEGER PRIMARY KEY, at)"
    )
    ours = floor = 0.0
    for number, talk in enumerate(talks):
        started = time.perf_counter()
        await _file(database, claims, talk, number)
        between = time.perf_counter()
        bare.execute("INSERT INTO one (at) VALUES (?)", (number,))
        if number >= WARM:
            ours += between - started
            floor += time.perf_counter() - between
    bare.close()
    await _check(database)
    what, against = "claims settled with a link", "bare durable commits of one row"
    return at_least(what, CLAIMS / ours, "claims/s", against, CLAIMS / floor, OF_FLOOR)


async def _file(database: Database, claims: Claims, talk: Conversation, number: int) -> None:
    order = Order("demo", f"ORDER{number:05d}", OrderStatus.DELIVERED, GOODS, 1, GOODS.price, 0, NOW, NOW)
    code = CodeRef(f"{number:064x}", "****-0000", 1)
    async with database.writing() as session:
        settled = await claims.file(session, NOW + timedelta(hours=1), talk, order, code, Reason.ALREADY_USED)
    assert settled.link is not None


async def _check(database: Database) -> None:
    async with database.reading() as session:
        out = (await session.exec(select(Code.id).where(col(Code.state).in_(OUT)))).all()
    assert len(out) == WARM + CLAIMS
