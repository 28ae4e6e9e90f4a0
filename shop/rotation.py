"""Sealing anew under the current key, page by page, in whatever room; stopped, it goes on where it stood."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, inspect
from sqlalchemy.orm import Mapped
from sqlmodel import SQLModel, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.errors import SealBroken, UnknownKey
from shop.vault import Vault


@dataclass(frozen=True, slots=True)
class Seals:
    """The rows of one table that hold a seal."""

    rows: type[SQLModel]
    not_under: Callable[[str], ColumnElement[bool]]  # the rows that another key than this one sealed
    renew: Callable[[Vault, Any], None]  # seals the text of one row anew


@dataclass(frozen=True, slots=True)
class Page:
    """What one transaction did."""

    last: Any  # key of the last row looked at; None: there are no more
    renewed: int
    broken: tuple[Any, ...]  # keys of rows that do not open, and stay as they are


async def count_old(session: AsyncSession, vault: Vault, seals: Seals) -> int:
    """How many rows are not under the current key."""
    old = select(func.count()).select_from(seals.rows).where(seals.not_under(vault.current))
    return (await session.exec(old)).one()


async def renew_page(session: AsyncSession, vault: Vault, seals: Seals, after: Any, limit: int) -> Page:
    """Seal up to `limit` rows after the key `after` (None: from the first) under the current key."""
    (key,) = inspect(seals.rows).primary_key
    old = select(seals.rows).where(seals.not_under(vault.current))
    if after is not None:
        old = old.where(key > after)
    rows = (await session.exec(old.order_by(key).limit(limit).with_for_update())).all()
    broken = [getattr(row, key.name) for row in rows if not _renewed(vault, seals, row)]
    await session.flush()
    return Page(getattr(rows[-1], key.name) if rows else None, len(rows) - len(broken), tuple(broken))


def _renewed(vault: Vault, seals: Seals, row: SQLModel) -> bool:
    try:
        seals.renew(vault, row)
    except (SealBroken, UnknownKey):
        return False
    return True


def whole(rows: type[SQLModel], kind: Callable[[Any], str]) -> Seals:
    """Those of a table with `seal_id`, `key_id` and `ciphertext`; `kind` is what the seal of a row is bound to."""

    def renew(vault: Vault, row: Any) -> None:
        text = vault.open(kind(row), row.seal_id, row.key_id, row.ciphertext)
        row.key_id, row.ciphertext = vault.seal(kind(row), row.seal_id, text)

    return Seals(rows, lambda key_id: inspect(rows).columns["key_id"] != key_id, renew)


def text_not_under(sealed: ColumnElement[Any] | Mapped[Any]) -> Callable[[str], ColumnElement[bool]]:
    """`not_under` of a column of `Vault.seal_text`."""
    return lambda key_id: (sealed != "") & ~sealed.startswith(f"{key_id}.", autoescape=True)
