"""Processes of workers who replace codes: `python issuer.py URL WAY`; see `crew`.

WAY is the ledger's `guarded` verb or its `naive` twin. Each tenth claim is tried by two workers. Reports [code, claim].
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from crew import WORKERS, main
from sqlmodel import col, select, update

from kadesk.database import Database
from shop.errors import AlreadyReplaced, PoolEmpty
from shop.ledger import issue_replacement
from shop.port import CodeRef, Goods, Order, OrderStatus
from shop.tables import Code, CodeState
from shop.vault import Keys, Vault

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
KEYS = Keys("k", {"k": bytes(32)}, bytes(range(32)))
VAULT = Vault(KEYS)
CODES, CLAIMS = 10_000, 10_400
GOODS = Goods("STEAM-50", "Steam 50", 4850, "CNY", timedelta(days=30))


def order_of(claim: int) -> Order:
    """Ten codes to an order."""
    no = f"ORDER{claim // 10:06d}"
    return Order("demo", no, OrderStatus.DELIVERED, GOODS, 10, 48_500, 0, NOW, NOW)


def code_of(claim: int) -> CodeRef:
    return CodeRef(f"{claim:064x}", "****-0000", claim % 10 + 1)


async def guarded(database: Database, claim: int, worker: int) -> int | None:
    async with database.writing() as session:
        try:
            issued = await issue_replacement(
                session,
                NOW,
                VAULT,
                claim_id=claim,
                order=order_of(claim),
                replaced=code_of(claim),
                actor=f"agent:{worker}",
            )
        except (AlreadyReplaced, PoolEmpty):
            return None
        return issued.code_id


async def naive(database: Database, claim: int, worker: int) -> int | None:
    """Looks first and writes later, without a guard."""
    async with database.reading() as session:
        free = select(Code.id).where(col(Code.state) == CodeState.FREE).order_by(col(Code.id))
        code_id = (await session.exec(free.limit(1))).first()
    if code_id is not None:
        async with database.writing() as session:
            await session.exec(update(Code).where(col(Code.id) == code_id).values(state=CodeState.ISSUED))
    return code_id


def is_tried_by(claim: int, worker: int) -> bool:
    """Each claim is one worker's, and each tenth is its neighbour's too."""
    rivals = {claim, claim + 1} if claim % 10 == 0 else {claim}
    return worker % WORKERS in {rival % WORKERS for rival in rivals}


async def work(database: Database, way: str, worker: int) -> list[list[Any]]:
    claims = CLAIMS if way == "guarded" else 500
    issued = []
    for claim in range(claims):
        if is_tried_by(claim, worker):
            code_id = await {"guarded": guarded, "naive": naive}[way](database, claim, worker)
            issued += [[code_id, claim]] if code_id is not None else []
    return issued


if __name__ == "__main__":
    main(work)
