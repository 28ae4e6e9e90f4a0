"""The reference server of docs/examples on a port of its own, with the orders that a test wants."""

import importlib.util
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from shop.adapters.http import HttpShop
from tests.shop.adapters.conftest import ground
from tests.shop.conftest import Stall

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "shop_server.py"
SECRET = "a secret of both that nobody guesses"


@dataclass(frozen=True)
class Sale:
    order_no: str
    codes: Sequence[str]
    contact: str
    paid: int = 9_700
    password: str = "open sesame"
    status: str = "delivered"

    @property
    def facts(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "codes"}


@cache
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shop_server", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def serving(sales: Iterable[Sale], stock: Iterable[str] = ()) -> Iterator[Any]:
    """The server; its tables are in the file `server.shop.path`."""
    with tempfile.TemporaryDirectory() as folder:
        server = example().make_server(str(Path(folder) / "shop.db"), SECRET, 0)
        with closing(sqlite3.connect(server.shop.path)) as db, db:
            for sale in sales:
                facts = {"name": "Steam 50", "price": 4850, "quantity": len(sale.codes), "sku": "50"}
                insert(db, "orders", **facts, paid_at="2026-03-02T12:00:00+08:00", **sale.facts)
                for text in sale.codes:
                    insert(db, "codes", text=text, order_no=sale.order_no, sku="50", state="sold", supplier="卡商A")
            for text in stock:
                insert(db, "codes", text=text, sku="50")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        server.server_close()


def insert(db: sqlite3.Connection, table: str, **row: Any) -> None:
    places = ", ".join(f":{name}" for name in row)
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)


@asynccontextmanager
async def beside(server: Any, stall: Stall, **changes: Any) -> AsyncIterator[HttpShop]:
    """An adapter for this server."""
    facts = {"secret": SECRET, "clock": lambda: datetime.now(UTC), "writes": ("issue", "refund", "quarantine", "note")}
    url = f"http://127.0.0.1:{server.server_address[1]}"
    shop = HttpShop(ground(stall.database, stall.vault), url, **(facts | changes))  # type: ignore[arg-type]
    yield shop
    await shop.close()
