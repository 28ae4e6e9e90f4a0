"""Reveal links: a buyer's one look at one code. Finding a link does not use it up: a page shows a button first."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, case, literal_column, update
from sqlalchemy import select as select_columns
from sqlmodel import UTCDateTime, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record_now
from shop.codes import read_code
from shop.errors import LinkGone
from shop.rotation import Seals, text_not_under
from shop.states import OUT, step
from shop.tables import Code, CodeState, Product, RevealLink
from shop.vault import Vault

TOKEN_BYTES = 24
SEAL = "reveal token"
_HELD = select(Code.id).where(col(Code.id) == bindparam("code")).with_for_update()
_NOW = bindparam("ended_at", type_=UTCDateTime())
_CLOSED = (
    update(RevealLink)
    .where(col(RevealLink.code_id) == bindparam("code"), col(RevealLink.opened_at).is_(None))
    .where(col(RevealLink.sealed_token) != "")
    .values(sealed_token="", expires_at=case((col(RevealLink.expires_at) > _NOW, _NOW), else_=RevealLink.expires_at))
)


_USABLE = (
    col(RevealLink.token_hash) == bindparam("token"),
    col(RevealLink.opened_at).is_(None),
    col(RevealLink.expires_at) > bindparam("at", type_=UTCDateTime()),
    col(RevealLink.sealed_token) != "",
)
_LINK = (
    select(RevealLink)
    .join(Code, col(Code.id) == col(RevealLink.code_id))
    .where(*_USABLE, col(Code.state) == CodeState.ISSUED)
)
_BEHIND = (
    select_columns(
        col(RevealLink.id),
        col(Product.name),
        *(col(getattr(Code, name)) for name in ("id", "product_id", "seal_id", "key_id", "ciphertext", "masked")),
    )
    .join(Code, col(Code.id) == col(RevealLink.code_id))
    .join(Product, col(Product.id) == col(Code.product_id))
    .where(*_USABLE, col(Code.state) == CodeState.ISSUED)
)
# Looked at once more: it was not closed since, by a clock that is ahead of ours.
_USED_UP = (
    update(RevealLink)
    .where(*_USABLE)
    .values(opened_at=bindparam("seen_at", type_=UTCDateTime()), opened_from=bindparam("seen_from"), sealed_token="")
)
_OPENED = (
    select_columns(col(RevealLink.id))
    .where(col(RevealLink.code_id) == bindparam("code"), col(RevealLink.opened_at).is_not(None))
    .limit(literal_column("1"))
)
_STATE = select_columns(col(Code.state)).where(col(Code.id) == bindparam("code"))


class Behind(NamedTuple):
    """What is behind a link: a code, sealed, and what it is called."""

    link_id: int
    product_name: str
    id: int
    product_id: int
    seal_id: str
    key_id: str
    ciphertext: bytes
    masked: str


@dataclass(frozen=True, slots=True)
class Revealed:
    """A code in clear, for one pair of eyes: never store, log or queue it."""

    text: str = field(repr=False)
    product_name: str
    masked: str


async def make_link(
    session: AsyncSession, now: datetime, vault: Vault, code_id: int, ttl: timedelta, *, actor: str = "system"
) -> RevealLink:
    """A new link. Its token stands nowhere in clear: `read_token` is for the moment in which the buyer gets it."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    token_hash = _hash(token)
    link = RevealLink(
        token_hash=token_hash,
        sealed_token=vault.seal_text(SEAL, token_hash, token),
        code_id=code_id,
        made_at=now,
        expires_at=now + ttl,
    )
    await rows.in_one_trip(session, lambda connection: _enter(connection, link, actor))
    return link


def _enter(connection: Connection, link: RevealLink, actor: str) -> None:
    rows.enter(connection, link)
    after = {"link": link.id, "expires_at": link.expires_at.isoformat()}
    record_now(connection, link.made_at, actor, "code.link_made", f"code:{link.code_id}", None, after)


def read_token(vault: Vault, link: RevealLink) -> str:
    """The token of a link that was neither opened nor closed: never store, log or queue it."""
    return vault.open_text(SEAL, link.token_hash, link.sealed_token)


async def close_links(session: AsyncSession, now: datetime, code_id: int, *, actor: str) -> None:
    """End the links of a code that nobody has opened: a new one takes their place, or the code is worth nothing now."""
    await rows.in_one_trip(session, lambda connection: close(connection, now, code_id, actor))


def close(connection: Connection, now: datetime, code_id: int, actor: str) -> None:
    """`close_links`, past the session."""
    rows.find(connection, _HELD, code=code_id)  # two that make a link at once must not leave two
    closed = rows.carry_out(connection, _CLOSED, code=code_id, ended_at=now)
    if closed:
        record_now(connection, now, actor, "code.links_closed", f"code:{code_id}", None, {"links": closed})


async def is_out(session: AsyncSession, code_id: int) -> bool:
    """Whether this code was issued and is in use."""
    found = await rows.in_one_trip(session, lambda connection: rows.find(connection, _STATE, code=code_id))
    return found is not None and found[0] in OUT


async def was_seen(session: AsyncSession, code_id: int) -> bool:
    """Whether somebody has seen this code through a link."""
    return await rows.in_one_trip(session, lambda connection: is_opened(connection, code_id))


def is_opened(connection: Connection, code_id: int) -> bool:
    """`was_seen`, past the session."""
    return rows.find(connection, _OPENED, code=code_id) is not None


async def find_link(session: AsyncSession, now: datetime, token: str) -> RevealLink | None:
    """The link of this token while it can still be opened."""
    return (await session.exec(_LINK, params={"token": _hash(token), "at": now})).first()


async def open_link(session: AsyncSession, now: datetime, vault: Vault, token: str, seen_from: str) -> Revealed:
    """Show the code, once. `LinkGone` when the token is unknown, used or too old: from outside these look the same."""
    return await rows.in_one_trip(session, lambda connection: _open(connection, now, vault, token, seen_from))


def _open(connection: Connection, now: datetime, vault: Vault, token: str, seen_from: str) -> Revealed:
    usable = {"token": _hash(token), "at": now}
    found = rows.find(connection, _BEHIND, **usable)
    if found is None:
        raise LinkGone()
    code = Behind(*found)
    revealed = Revealed(read_code(vault, code), code.product_name, code.masked)
    # The code first, then its links, as everybody takes them: who calls it back waits for us, or we find it gone.
    if not step(connection, code.id, CodeState.ISSUED, CodeState.REVEALED):
        raise LinkGone()
    if not rows.carry_out(connection, _USED_UP, **usable, seen_at=now, seen_from=seen_from):
        raise LinkGone()
    # Whoever holds the link opened it; who that is, the link's making and `seen_from` tell.
    about = (f"link:{code.link_id}", "code.revealed", f"code:{code.id}")
    record_now(connection, now, *about, None, {"seen_from": seen_from})
    return revealed


def _renew(vault: Vault, link: RevealLink) -> None:
    link.sealed_token = vault.renew_text(SEAL, link.token_hash, link.sealed_token)


SEALS = Seals(RevealLink, text_not_under(col(RevealLink.sealed_token)), _renew)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
