"""The mailed one-time code: proof of an order by who reads the mail of its address.

What happens for an order that nobody knows, or without an address, is the same to the last row, but its letter is to
nobody: so neither words nor time tell whether there is such an order.
"""

import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, true, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.masking import mask
from shop.vault import Vault
from tickets import letters
from tickets.outbox import Say
from tickets.ownership import hash_order
from tickets.tables import MailedCode, OwnershipMiss
from tickets.turns import take_turn

HOUR = timedelta(hours=1)
DIGITS = 6
_CODE = re.compile(r"(?<!\d)(\d{3})[ -]?(\d{3})(?!\d)")


@dataclass(frozen=True, slots=True)
class MailRules:
    lives: timedelta = timedelta(minutes=10)
    tries: int = 5  # wrong proofs after which a code is dead, whatever `OwnershipRules` say
    again_after: timedelta = timedelta(minutes=1)  # asked for again sooner, the letter on its way is meant
    # Letters within an hour
    per_identity: int = 5
    per_order: int = 5
    per_address: int = 5  # the next are not sent, and nobody is told: it would tell that two orders share one
    per_hour: int = 200  # in all


@dataclass(frozen=True)
class MailedCodes:
    """Makes codes and judges them. Of several for one identity and order, the newest alone counts."""

    vault: Vault
    say: Say
    shop: str  # as buyers know it
    rules: MailRules = field(default_factory=MailRules)

    async def ask(
        self, session: AsyncSession, now: datetime, identity_id: int, order_no: str, address: str, language: str
    ) -> datetime | None:
        """Mail a code to this address, "" for nobody. When too many were asked for: the instant of the next, and
        nothing is sent."""
        order_hash = hash_order(self.vault, order_no)
        await take_turn(session, now, "mailed codes")
        latest = await self._find_latest(session, identity_id, order_hash)
        if latest is not None and latest.used_at is None and now < latest.sent_at + self.rules.again_after:
            return None
        if until := await self._busy_until(session, now, identity_id, order_hash):
            return until
        if await letters.is_flooded(session, self.vault, address, now - HOUR, self.rules.per_address):
            address = ""
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        code_hash = self._hash(identity_id, order_hash, code)
        expires_at = now + self.rules.lives
        session.add(
            MailedCode(
                identity_id=identity_id,
                order_hash=order_hash,
                code_hash=code_hash if address else "",
                sent_at=now,
                expires_at=expires_at,
            )
        )
        subject, text = self._write(language, order_no, code)
        await letters.write_letter(session, now, self.vault, address, subject, text, expires_at)
        subject = f"identity:{identity_id}"
        record(session, now, subject, "ownership.code_asked", subject, after={"order_hash": order_hash[:12]})
        return None

    async def is_awaited(self, session: AsyncSession, now: datetime, identity_id: int, order_no: str) -> bool:
        """Whether a code was asked for that is still of use, if the order is theirs."""
        return await self._find_live(session, now, identity_id, hash_order(self.vault, order_no)) is not None

    async def fits(self, session: AsyncSession, now: datetime, identity_id: int, order_no: str, typed: str) -> bool:
        """Whether this is the code; it is not used up by that."""
        order_hash = hash_order(self.vault, order_no)
        live = await self._find_live(session, now, identity_id, order_hash)
        if live is None:
            return False
        is_spent = await self._count_tries(session, live) >= self.rules.tries
        is_same = hmac.compare_digest(live.code_hash, self._hash(identity_id, order_hash, _read(typed)))
        return is_same and not is_spent

    async def use(self, session: AsyncSession, now: datetime, identity_id: int, order_no: str, typed: str) -> bool:
        """Use the code up; of any number of callers, one gets True."""
        if not await self.fits(session, now, identity_id, order_no, typed):
            return False
        code_hash = self._hash(identity_id, hash_order(self.vault, order_no), _read(typed))
        used = await session.exec(
            update(MailedCode)
            .where(col(MailedCode.identity_id) == identity_id, col(MailedCode.code_hash) == code_hash)
            .where(col(MailedCode.used_at).is_(None), col(MailedCode.expires_at) > now)
            .values(used_at=now)
        )
        return bool(used.rowcount)

    async def _busy_until(
        self, session: AsyncSession, now: datetime, identity_id: int, order_hash: str
    ) -> datetime | None:
        """When the limits let the next one through; None: now."""
        limits: list[tuple[int, ColumnElement[bool]]] = [
            (self.rules.per_identity, col(MailedCode.identity_id) == identity_id),
            (self.rules.per_order, col(MailedCode.order_hash) == order_hash),
            (self.rules.per_hour, true()),
        ]
        ends = []
        for most, whose in limits:
            sent = select(MailedCode.sent_at).where(whose, col(MailedCode.sent_at) > now - HOUR)
            nth = sent.order_by(col(MailedCode.sent_at).desc()).offset(most - 1).limit(1)
            if (sent_at := (await session.exec(nth)).first()) is not None:
                ends.append(sent_at + HOUR)
        return max(ends, default=None)

    async def _find_latest(self, session: AsyncSession, identity_id: int, order_hash: str) -> MailedCode | None:
        theirs = select(MailedCode).where(MailedCode.identity_id == identity_id, MailedCode.order_hash == order_hash)
        found = await session.exec(theirs.order_by(col(MailedCode.sent_at).desc(), col(MailedCode.id).desc()).limit(1))
        return found.first()

    async def _find_live(
        self, session: AsyncSession, now: datetime, identity_id: int, order_hash: str
    ) -> MailedCode | None:
        latest = await self._find_latest(session, identity_id, order_hash)
        return latest if latest is not None and latest.used_at is None and now < latest.expires_at else None

    async def _count_tries(self, session: AsyncSession, code: MailedCode) -> int:
        """Wrong proofs for this order since the code was made."""
        misses = select(func.count(col(OwnershipMiss.id))).where(
            OwnershipMiss.identity_id == code.identity_id,
            OwnershipMiss.order_hash == code.order_hash,
            col(OwnershipMiss.at) >= code.sent_at,
        )
        return (await session.exec(misses)).one()

    def _write(self, language: str, order_no: str, code: str) -> tuple[str, str]:
        span = self.say(language, "span.minutes", count=self.rules.lives // timedelta(minutes=1))
        facts = {"number": mask(order_no), "code": code, "span": span, "shop": self.shop}
        return self.say(language, "mail.code_subject", shop=self.shop), self.say(language, "mail.code_text", **facts)

    def _hash(self, identity_id: int, order_hash: str, code: str) -> str:
        return self.vault.keyed_hash("mailed code", f"{identity_id}/{order_hash}/{code}")


async def forget(session: AsyncSession, before: datetime) -> None:
    """Delete the codes that were made before this instant."""
    await session.exec(delete(MailedCode).where(col(MailedCode.sent_at) < before))


def _read(typed: str) -> str:
    """The six digits that stand alone in these words, however they are spaced; "" when there are none or more."""
    found = _CODE.findall(unicodedata.normalize("NFKC", typed))
    return "".join(found[0]) if len(found) == 1 else ""
