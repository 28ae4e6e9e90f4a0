"""A light for each account of a channel: is it heard and answered, and what is wrong when it is not.

What a process learns is kept in a heartbeat; the queues are counted when somebody looks.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.weixin.quota import calls_of
from bot.faults import place_of
from bot.staff import CHANNEL
from bot.staff.tables import PostState, StaffPost
from bot.tables import InboxRow, InboxState
from bot.transactions import Transactions
from tickets.tables import Heartbeat, Outgoing, Sending

log = logging.getLogger(__name__)

WRITE_EVERY = 15.0  # seconds between writes of what a process learned
STALE = timedelta(minutes=2)  # a last look further off than this, or a queue that stands so long, is an alarm
RECENT = timedelta(minutes=5)  # so long after it an error of the webhook counts
REFUSED_FOR = timedelta(hours=1)  # so long after it a call that was turned away counts, unless a good one came


class Trouble(StrEnum):
    """Why a light is red."""

    TOKEN = "token"  # it was refused
    CONFLICT = "conflict"  # another program receives this bot's updates
    REFUSED = "refused"  # Telegram does not accept how we want to receive
    SILENT = "silent"  # nobody looked lately
    WEBHOOK = "webhook"  # Telegram's calls fail
    INBOX = "inbox"  # what came is not worked off
    OUTBOX = "outbox"  # what is to be sent is not
    # Of WeChat's accounts
    AWAY = "away"  # no access token is to be had
    SECRET = "secret"  # the ids or secrets in the settings are wrong
    ADDRESS = "address"  # this machine is not on the list of those that may call
    INTERFACE = "interface"  # the account may not do what we need
    SIGNATURE = "signature"  # calls come signed with another token
    SEAL = "seal"  # or sealed with another key, or for another account
    CLOCK = "clock"  # or from another time
    PLAIN = "plain"  # or not sealed
    FEED = "feed"  # what buyers said cannot be fetched
    CALLS = "calls"  # the platform takes no more calls today
    GROUP = "group"  # the staff's group cannot be written to


@dataclass(frozen=True, slots=True)
class Use:
    """An interface of the platform, today."""

    call: str
    count: int
    limit: int | None  # as the owner knows it
    refused: int  # how often the platform took no more
    is_near: bool  # to its limit, or at it


@dataclass(frozen=True, slots=True)
class Light:
    """One account as it was when somebody looked."""

    channel: str
    account: str
    name: str  # what the messenger calls it; "" while nobody has asked
    mode: str  # "polling", "webhook", "callback" or "feed"
    troubles: tuple[Trouble, ...]
    looked_at: datetime | None  # when the messenger last answered us
    seen_at: datetime | None  # when a buyer was last heard
    sent_at: datetime | None
    pending: int | None  # updates that wait at the messenger; None: it does not say
    error: str  # of its last failing call, in its own words; or why the group cannot be written to
    error_at: datetime | None
    inbox: int  # updates that wait to take effect
    outbox: int  # messages that wait to be sent
    calls: tuple[Use, ...] = ()  # of interfaces that are counted, today

    @property
    def is_red(self) -> bool:
        return bool(self.troubles)


class Pulse:
    """What this process learns about one account; written now and then, what others learned stays."""

    def __init__(self, database: Transactions, clock: Callable[[], datetime], channel: str, account: str) -> None:
        self._database = database
        self._clock = clock
        self._name = _name(channel, account)
        self._fresh: dict[str, Any] = {}

    def note(self, *instants: str, **facts: object) -> None:
        """`instants` name what happened just now."""
        now = self._clock().isoformat()
        self._fresh |= dict.fromkeys(instants, now) | facts

    async def recall(self) -> Mapping[str, Any]:
        """What was noted of the account, here or by another process."""
        async with self._database.reading() as session:
            beat = await session.get(Heartbeat, self._name, populate_existing=True)
        return (beat.detail if beat else {}) | self._fresh

    async def run(self) -> None:
        """Write until cancelled."""
        self.note("began_at")
        while True:
            try:
                await self.write()
            except Exception as error:  # the database is away: weather
                log.warning("the health of %s was not written: %s", self._name, place_of(error))
            await asyncio.sleep(WRITE_EVERY)

    async def write(self) -> None:
        if not self._fresh:
            return
        fresh, self._fresh, now = self._fresh, {}, self._clock()
        try:
            async with self._database.writing() as session:
                beat = await session.get(Heartbeat, self._name, with_for_update=True)
                beat = beat or Heartbeat(name=self._name, at=now)
                beat.at, beat.detail = now, _joined(beat.detail, fresh)
                session.add(beat)
        except Exception:
            self._fresh = fresh | self._fresh
            raise


async def look(session: AsyncSession, now: datetime, places: Sequence[tuple[str, str]]) -> list[Light]:
    """The lights of these accounts, (channel, account) each; as many looks at indexes."""
    return [await _light(session, now, *place) for place in places]


async def _light(session: AsyncSession, now: datetime, channel: str, account: str) -> Light:
    beat = await session.get(Heartbeat, _name(channel, account), populate_existing=True)
    facts = beat.detail if beat else {}
    here = (InboxRow.channel == channel, InboxRow.account == account, InboxRow.state == InboxState.PENDING)
    inbox = (await session.exec(select(func.count(), func.min(InboxRow.not_before)).where(*here))).one()
    outbox = await _outbox(session, channel, account)
    pending, calls = facts.get("pending"), await _calls(session, now, channel, facts)
    spent = any(one.refused for one in calls)
    return Light(
        channel,
        account,
        str(facts.get("name", "")),
        str(facts.get("mode", "")),
        (*_troubles(now, facts, inbox[1], outbox[1]), *([Trouble.CALLS] if facts.get("by_day") and spent else [])),
        _instant(facts, "looked_at"),
        _instant(facts, "seen_at"),
        _instant(facts, "sent_at"),
        pending if isinstance(pending, int) else None,
        str(facts.get("feed_error") or facts.get("error") or facts.get("group_problem") or ""),
        _instant(facts, "error_at"),
        inbox[0],
        outbox[0],
        calls,
    )


async def _calls(session: AsyncSession, now: datetime, channel: str, facts: dict[str, Any]) -> tuple[Use, ...]:
    if not (account := facts.get("counted_as")):
        return ()
    limits, warn_at = facts.get("limits", {}), facts.get("warn_at", 1)
    return tuple(
        Use(
            one.call,
            one.count,
            limit := limits.get(one.call),
            one.refused,
            bool(limit and one.count >= limit * warn_at) or bool(one.refused and facts.get("by_day")),
        )
        for one in await calls_of(session, now, channel, account)
    )


async def _outbox(session: AsyncSession, channel: str, account: str) -> tuple[int, datetime | None]:
    """How much is to be sent, and since when the first of it could be; staff are written to by posts of their own."""
    there = (Outgoing.channel == channel, Outgoing.account == account, Outgoing.state == Sending.QUEUED)
    waiting = select(func.count(), func.min(Outgoing.not_before)).where(*there)
    if channel == CHANNEL:
        mine = (StaffPost.bot == account, StaffPost.state == PostState.QUEUED)
        waiting = select(func.count(), func.min(StaffPost.not_before)).where(*mine)
    return (await session.exec(waiting)).one()


def _troubles(now: datetime, facts: dict[str, Any], inbox: datetime | None, outbox: datetime | None) -> list[Trouble]:
    """`inbox` and `outbox` are the instants at which the first that waits there could have been done."""
    problem, error_at = facts.get("problem"), _instant(facts, "error_at")
    found = [Trouble(one) for one in dict.fromkeys((problem, facts.get("send_problem"))) if one]
    heard = max(filter(None, (_instant(facts, f"{one}_at") for one in ("looked", "began", "lives"))), default=None)
    if heard is None or now - heard > STALE:
        found.append(Trouble.SILENT)
    if error_at and now - error_at < RECENT:
        found.append(Trouble.WEBHOOK)
    if facts.get("group_problem"):
        found.append(Trouble.GROUP)
    called_at, refused_at = _instant(facts, "called_at"), _instant(facts, "refused_at")
    if refused_at and now - refused_at < REFUSED_FOR and (called_at is None or called_at < refused_at):
        found.append(Trouble(facts["refusal"]))
    if facts.get("feed_error"):
        found.append(Trouble.FEED)
    if inbox and now - inbox > STALE:
        found.append(Trouble.INBOX)
    if outbox and now - outbox > STALE:
        found.append(Trouble.OUTBOX)
    return found


def _joined(known: dict[str, Any], fresh: dict[str, Any]) -> dict[str, Any]:
    """Instants only go on: another process may have written a later one. ISO texts of one zone sort as they follow."""
    later = {key: max(str(known.get(key) or ""), str(value or "")) for key, value in fresh.items() if _is_instant(key)}
    return known | fresh | later


def _is_instant(key: str) -> bool:
    return key.endswith("_at")


def _instant(facts: dict[str, Any], key: str) -> datetime | None:
    text = facts.get(key)
    return datetime.fromisoformat(text) if text else None


def _name(channel: str, account: str) -> str:
    return f"{channel}:{account}"
