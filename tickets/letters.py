"""Mail: written in the transaction of what it tells, sent afterwards, tried again until it is out or of no use.

A try is written down before the mail server is asked and keeps others away until its lease ends; so a letter may come
twice, and none is lost. What was given up stays in the table without its text: the list of the dead letters.
"""

import logging
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import delete, func, literal_column, update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from audit.trail import record
from shop.errors import SealBroken
from shop.rotation import Seals, text_not_under
from shop.vault import Vault
from tickets.desk import Desk
from tickets.errors import MailMoved, MailNotSent
from tickets.notices import find_staff, written
from tickets.tables import Level, Mail, Notice, Sending
from tickets.turns import take_turn

log = logging.getLogger(__name__)

SEAL = "mail"
PAGE = 50  # letters of one round
LEASE = timedelta(minutes=1)  # longer than a postman takes, so that no two send one letter at once
WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60, 120, 300, 900))  # after each try in vain
FAILING = "mail:failing"  # the subject of what is recorded of a server that takes nothing, and its turn
TOLD_AGAIN = timedelta(days=1)  # of one that still takes nothing
KEY = 32  # hexadecimal digits of a seal's id that say to whom; as many again make it unique
NOBODY = MailNotSent(problem="there is nobody to write to", permanent=True)
# Written out: a database takes a partial index only for the words that it was made with.
_IS_QUEUED = col(Mail.state) == literal_column(f"'{Sending.QUEUED}'")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail in clear: never store, log or queue it."""

    name: str  # always the same for one letter
    address: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class Postman(Protocol):
    """What hands letters to a mail server."""

    async def deliver(self, letter: Letter) -> None:
        """Returns when the server has it. Raises `MailNotSent`, within less than `LEASE`."""


class Database(Protocol):
    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


async def write_letter(
    session: AsyncSession, now: datetime, vault: Vault, address: str, subject: str, text: str, expires_at: datetime
) -> None:
    """Queue a letter, of no use after `expires_at`. One to nobody ("") costs the same, and is dropped in its turn."""
    seal_id = _key(vault, address) + secrets.token_hex(KEY // 2)
    sealed = vault.seal_text(SEAL, seal_id, f"{address}\n{text}")
    mail = Mail(seal_id=seal_id, sealed=sealed, subject=subject, created_at=now, not_before=now, expires_at=expires_at)
    session.add(mail)
    await session.flush()
    record(session, now, "system", "mail.queued", f"mail:{mail.id}", after={"expires_at": expires_at.isoformat()})


async def is_flooded(session: AsyncSession, vault: Vault, address: str, since: datetime, most: int) -> bool:
    """Whether so many letters were written to this address since then."""
    key = _key(vault, address)
    to_them = col(Mail.seal_id).between(key + "0" * KEY, key + "f" * KEY)
    return (await session.exec(select(func.count()).where(to_them, Mail.created_at > since))).one() >= most


async def send_letters(
    database: Database, clock: Callable[[], datetime], vault: Vault, postman: Postman, desk: Desk
) -> int:
    """Send what is due; how many letters left the queue. A server that is down ends the round.

    When a letter is lost to the server, not to its address, the managers are told, once a day while it lasts.
    """
    due = select(Mail.id).where(_IS_QUEUED, col(Mail.not_before) <= clock())
    async with database.reading() as session:
        found = (await session.exec(due.order_by(col(Mail.not_before), col(Mail.id)).limit(PAGE))).all()
    left = 0
    for mail_id in found:
        async with database.writing() as session:
            mail = await _begin_try(session, clock(), mail_id)
        if mail is None:
            continue
        problem = await _try(clock(), vault, postman, mail)
        async with database.writing() as session:
            left += await _end_try(session, clock(), mail, problem, desk)
        if problem is not None and not problem.permanent:
            break
    return left


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next letter may be tried."""
    return (await session.exec(select(func.min(Mail.not_before)).where(_IS_QUEUED))).one()


async def count_waiting(session: AsyncSession) -> int:
    return (await session.exec(select(func.count()).select_from(Mail).where(_IS_QUEUED))).one()


async def count_failed(session: AsyncSession, since: datetime) -> int:
    """How many letters written since then were given up."""
    failed = (col(Mail.state) == Sending.FAILED, col(Mail.created_at) > since)
    return (await session.exec(select(func.count()).select_from(Mail).where(*failed))).one()


async def stuck(session: AsyncSession, since: datetime, limit: int) -> list[Mail]:
    """The letters that were given up since then, and those that wait after a try in vain; newest first."""
    is_lost = (col(Mail.state) == Sending.FAILED) & (col(Mail.created_at) > since)
    waits = _IS_QUEUED & (col(Mail.attempts) > 0)
    found = await session.exec(select(Mail).where(or_(is_lost, waits)).order_by(col(Mail.id).desc()).limit(limit))
    return list(found.all())


async def try_again(session: AsyncSession, now: datetime, mail_id: int, actor: str) -> None:
    """Try a letter that waits at once; raises `MailMoved`. What was given up has no text any more."""
    waiting = update(Mail).where(col(Mail.id) == mail_id, _IS_QUEUED, col(Mail.attempts) > 0)
    if (await session.exec(waiting.values(not_before=now))).rowcount != 1:
        raise MailMoved(mail=mail_id)
    record(session, now, actor, "mail.retried", f"mail:{mail_id}")


async def drop(session: AsyncSession, now: datetime, mail_id: int, actor: str) -> None:
    """Take a letter that waits, or was given up, off the list for good; raises `MailMoved`."""
    on_list = or_(_IS_QUEUED & (col(Mail.attempts) > 0), col(Mail.state) == Sending.FAILED)
    if (await session.exec(delete(Mail).where(col(Mail.id) == mail_id, on_list))).rowcount != 1:
        raise MailMoved(mail=mail_id)
    record(session, now, actor, "mail.dropped", f"mail:{mail_id}")


async def forget(session: AsyncSession, before: datetime) -> None:
    """Delete the letters that were written before this instant and have left the queue."""
    await session.exec(delete(Mail).where(~_IS_QUEUED, col(Mail.created_at) < before))


async def _begin_try(session: AsyncSession, now: datetime, mail_id: int | None) -> Mail | None:
    """Claim the next try of this letter; None when somebody else has."""
    claimed = await session.exec(
        update(Mail)
        .where(col(Mail.id) == mail_id, _IS_QUEUED, col(Mail.not_before) <= now)
        .values(attempts=Mail.attempts + 1, not_before=now + LEASE)
    )
    return await session.get_one(Mail, mail_id, populate_existing=True) if claimed.rowcount == 1 else None


async def _try(now: datetime, vault: Vault, postman: Postman, mail: Mail) -> MailNotSent | None:
    """Why it was not sent; None when it was."""
    if now >= mail.expires_at:
        return MailNotSent(problem=mail.problem or "too late", permanent=True)
    try:
        address, _, text = vault.open_text(SEAL, mail.seal_id, mail.sealed).partition("\n")
        if not address:
            return NOBODY
        await postman.deliver(Letter(mail.seal_id, address, mail.subject, text))
    except MailNotSent as error:
        return error
    except Exception as error:  # one letter holds up no other; what the error says may be what the letter says
        is_broken = isinstance(error, SealBroken)
        return MailNotSent(problem=type(error).__name__, permanent=is_broken)
    return None


async def _end_try(session: AsyncSession, now: datetime, mail: Mail, problem: MailNotSent | None, desk: Desk) -> bool:
    """Record what became of a try; whether the letter has left the queue by it."""
    if problem is None:
        return await _leave(session, now, mail, state=Sending.SENT, sent_at=now, problem=None)
    if problem is NOBODY:
        await session.exec(delete(Mail).where(col(Mail.id) == mail.id))
        record(session, now, "system", "mail.dropped", f"mail:{mail.id}", {"state": Sending.QUEUED})
        return True
    is_over = problem.permanent or mail.attempts > len(WAITS)
    wait = WAITS[min(mail.attempts, len(WAITS)) - 1]
    log.warning("mail %s was not sent: %s%s", mail.id, problem.problem, ", and is given up" if is_over else "")
    if is_over:
        if not problem.permanent or (now >= mail.expires_at and mail.attempts > 1):
            await _warn(session, now, desk, problem.problem)
        return await _leave(session, now, mail, state=Sending.FAILED, problem=problem.problem)
    queued = update(Mail).where(col(Mail.id) == mail.id, _IS_QUEUED)
    await session.exec(queued.values(not_before=min(now + wait, mail.expires_at), problem=problem.problem))
    return False


async def _leave(session: AsyncSession, now: datetime, mail: Mail, **facts: Any) -> bool:
    """The guard: of any number of tries that ended, one takes the letter out of the queue."""
    left = await session.exec(update(Mail).where(col(Mail.id) == mail.id, _IS_QUEUED).values(sealed="", **facts))
    if left.rowcount == 1:
        after = {"state": facts["state"], "problem": facts["problem"]}
        record(session, now, "system", f"mail.{facts['state']}", f"mail:{mail.id}", {"state": Sending.QUEUED}, after)
    return bool(left.rowcount == 1)


async def _warn(session: AsyncSession, now: datetime, desk: Desk, problem: str) -> None:
    await take_turn(session, now, FAILING)
    told = select(AuditRow.id).where(AuditRow.subject == FAILING, col(AuditRow.at) > now - TOLD_AGAIN)
    if (await session.exec(told.limit(1))).first() is not None:
        return
    record(session, now, "system", "mail.failing", FAILING, after={"problem": problem})
    text = desk.say(desk.rules.staff_language, "notice.mail_failing", problem=problem)
    people = (await find_staff(session)).told(Level.MANAGER, "about mail that is not sent")
    session.add_all(Notice(**row) for row in written(now, desk.rules.quiet, None, Level.MANAGER, text, people))


def _key(vault: Vault, address: str) -> str:
    return vault.keyed_hash("mail address", address.lower())[:KEY]


def _renew(vault: Vault, mail: Mail) -> None:
    mail.sealed = vault.renew_text(SEAL, mail.seal_id, mail.sealed)


SEALS = Seals(Mail, text_not_under(col(Mail.sealed)), _renew)
