"""Codes as rows: sealed when they come in, read only where a person may see them."""

from typing import Any, Protocol
from uuid import uuid4

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import rotation
from shop.masking import find_doubtful, mask
from shop.tables import Code, CodeState, Pool
from shop.vault import Vault


class Sealed(Protocol):
    """What of a code's row is needed to read it."""

    @property
    def product_id(self) -> int: ...
    @property
    def seal_id(self) -> str: ...
    @property
    def key_id(self) -> str: ...
    @property
    def ciphertext(self) -> bytes: ...


def seal_code(
    vault: Vault, *, product_id: int, batch_id: int, text: str, pool: Pool, state: CodeState = CodeState.FREE
) -> Code:
    """A new row for `text`, which is kept only as ciphertext, fingerprint and mask."""
    row = seal_row(vault, product_id, batch_id, pool, text, vault.fingerprint(text))
    return Code(**row | {"state": state})


def seal_row(vault: Vault, product_id: int, batch_id: int, pool: Pool, text: str, fingerprint: str) -> dict[str, Any]:
    """The values of a free code's row, for an insert of many at once; `fingerprint` is the vault's of `text`."""
    seal_id = uuid4().hex
    key_id, ciphertext = vault.seal(_kind(product_id), seal_id, text)
    return {
        "product_id": product_id,
        "batch_id": batch_id,
        "pool": pool,
        "state": CodeState.FREE,
        "seal_id": seal_id,
        "key_id": key_id,
        "ciphertext": ciphertext,
        "fingerprint": fingerprint,
        "masked": mask(text),
    }


async def hide_known(session: AsyncSession, vault: Vault, text: str) -> str:
    """The text without those codes of ours that look like words, so that no pattern finds them."""
    prints = {one: vault.fingerprint(one) for one in find_doubtful(text)}
    if not prints:
        return text
    known = (await session.exec(select(Code.fingerprint).where(col(Code.fingerprint).in_(prints.values())))).all()
    for piece, fingerprint in prints.items():
        if fingerprint in known:
            text = text.replace(piece, mask(piece))
    return text


def read_code(vault: Vault, code: Sealed) -> str:
    """The text of a code; `SealBroken` when its row was changed. Whoever shows it to a person records that."""
    return vault.open(_kind(code.product_id), code.seal_id, code.key_id, code.ciphertext)


def _kind(product_id: int) -> str:
    return f"code of product {product_id}"  # in the seal, so that a cheap code cannot stand in for a dear one


SEALS = rotation.whole(Code, lambda code: _kind(code.product_id))
