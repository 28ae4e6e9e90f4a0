"""/metrics: what an outside watcher needs to know, in the words of Prometheus. Counts and ages only, nothing of buyers.

The sweep cannot report its own silence: whoever reads this from outside, and raises an alarm when nothing answers, is
the last watchman.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from ipaddress import ip_address

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot import dead_letters, health
from bot.health import Light, Use
from kadesk.wiring import Kadesk, clock
from kadesk.workers import Workers
from shop import incoming
from tickets import letters, queue, watch
from tickets.tables import Outgoing, Sending, Ticket

HEADERS_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass
class Figures:
    """The figures of one look."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def add(self, name: str, help_text: str, value: float) -> None:
        Gauge(f"kadesk_{name}", help_text, registry=self.registry).set(value)

    def add_each(self, name: str, help_text: str, labels: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
        """A figure for each of `rows`: the values of the labels, then the figure."""
        gauge = Gauge(f"kadesk_{name}", help_text, labels, registry=self.registry)
        for *values, figure in rows:
            gauge.labels(*map(str, values)).set(float(str(figure)))


def router(kadesk: Kadesk) -> APIRouter:
    """The door; it opens for this machine, and for whoever has the token."""
    doors = APIRouter()
    token = kadesk.settings.metrics.token.get_secret_value()

    @doors.get("/metrics", include_in_schema=False)
    async def tell_metrics(request: Request) -> Response:
        if not (_has_token(request, token) or _is_local(request)):
            return Response(status_code=404)
        async with kadesk.database.reading() as session:
            figures = await measure(session, clock(), kadesk.settings.bots)
        _tell_workers(figures, kadesk.workers)
        return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)

    return doors


async def measure(session: AsyncSession, now: datetime, bots: Sequence[tuple[str, str]] = ()) -> Figures:
    """Every figure as of `now`; `bots` are their channels and accounts."""
    figures = Figures()
    seen = await watch.look(session, now)
    age = abs(now - seen.swept_at).total_seconds() if seen.swept_at else float("inf")
    late = seen.late_by.total_seconds()
    lying = seen.canary_late.total_seconds() if seen.canary_late is not None else 0
    figures.add("sweep_age_seconds", "How far off the last good sweep is", age)
    figures.add("sweep_stalled", "1 when there was no good sweep for two minutes", seen.is_stalled)
    figures.add("sweep_late_seconds", "How late the latest clock of the last sweep was found", late)
    figures.add("canary_late_seconds", "How long the canary lies that the sweep should have acted on", lying)
    figures.add("sweep_deaf", "1 when sweeps end well but leave what is due", seen.is_deaf)
    figures.add("clocks_due", "Clocks that are due and not acted on", await watch.count_due(session, now))
    figures.add("notices_undeliverable", "Notices that there was nobody to give to", seen.undeliverable)
    figures.add("dead_letters", "Messages of buyers that could not be processed", await dead_letters.count(session))
    figures.add("shop_events_dead", "Events of shops that could not be followed", await incoming.count_dead(session))
    figures.add("mail_length", "Letters to send", await letters.count_waiting(session))
    failed = await letters.count_failed(session, now - timedelta(days=1))
    figures.add("mail_failed", "Letters of the last day that were given up", failed)
    await _measure_queues(session, figures)
    await _measure_outbox(session, now, figures)
    _tell_bots(figures, now, await health.look(session, now, bots))
    return figures


async def _measure_queues(session: AsyncSession, figures: Figures) -> None:
    found = await session.exec(
        select(Ticket.queue, Ticket.level, func.count(col(Ticket.id)))
        .where(*queue.is_queued())
        .group_by(col(Ticket.queue), col(Ticket.level))
    )
    figures.add_each("queue_length", "Tickets that wait for somebody", ("queue", "level"), list(found.all()))


async def _measure_outbox(session: AsyncSession, now: datetime, figures: Figures) -> None:
    found = await session.exec(
        select(Outgoing.channel, func.count(col(Outgoing.id)), func.min(Outgoing.created_at))
        .where(Outgoing.state == Sending.QUEUED)
        .group_by(col(Outgoing.channel))
    )
    rows = found.all()
    figures.add_each("outbox_length", "Messages to send", ("channel",), [(name, count) for name, count, _ in rows])
    ages: list[tuple[object, ...]] = [(name, max(0.0, (now - oldest).total_seconds())) for name, _, oldest in rows]
    figures.add_each("outbox_age_seconds", "How long the oldest message waits", ("channel",), ages)


def _tell_bots(figures: Figures, now: datetime, lights: Sequence[Light]) -> None:
    labels = ("channel", "account")
    ways: tuple[tuple[str, str, Callable[[Light], float | None]], ...] = (
        ("bot_red", "1 when something is wrong with the bot", lambda one: int(one.is_red)),
        ("bot_inbox_length", "Updates that wait to take effect", lambda one: one.inbox),
        ("bot_outbox_length", "Messages that wait to be sent", lambda one: one.outbox),
        ("bot_pending", "Updates that wait at the messenger", lambda one: one.pending),
        ("bot_look_age_seconds", "How long ago the messenger answered", lambda one: _age(now, one.looked_at)),
        ("bot_seen_age_seconds", "How long ago a buyer was heard", lambda one: _age(now, one.seen_at)),
        ("bot_sent_age_seconds", "How long ago a message was sent", lambda one: _age(now, one.sent_at)),
    )
    for name, text, tell in ways if lights else ():
        told = [(one.channel, one.account, tell(one)) for one in lights]
        figures.add_each(name, text, labels, [row for row in told if row[2] is not None])
    _tell_calls(figures, lights)


def _tell_calls(figures: Figures, lights: Sequence[Light]) -> None:
    labels = ("channel", "account", "call")
    uses = [(one.channel, one.account, use.call, use) for one in lights for use in one.calls]
    ways: tuple[tuple[str, str, Callable[[Use], float | None]], ...] = (
        ("calls_today", "Calls of the platform's interface, since its day began", lambda use: use.count),
        ("calls_limit", "How many it takes a day, as the settings say", lambda use: use.limit),
        ("calls_refused", "How often it took no more today", lambda use: use.refused),
    )
    for name, text, tell in ways if uses else ():
        told = [(*place, tell(use)) for *place, use in uses]
        figures.add_each(name, text, labels, [row for row in told if row[-1] is not None])


def _tell_workers(figures: Figures, workers: Workers) -> None:
    labels, down = ("worker",), workers.down
    ended: list[tuple[object, ...]] = [(name, workers.ended[name]) for name in workers.names]
    figures.add_each("worker_ended", "How often a part of this process ended by an error", labels, ended)
    troubled: list[tuple[object, ...]] = [(name, int(name in down)) for name in workers.names]
    figures.add_each("worker_down", "1 when it ended so and has not lasted for a minute since", labels, troubled)


def _age(now: datetime, instant: datetime | None) -> float | None:
    return max(0.0, (now - instant).total_seconds()) if instant else None


def _has_token(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return bool(token) and compare_digest(given.encode(), token.encode())


def _is_local(request: Request) -> bool:
    """From this machine and meant for it: behind a proxy everybody comes from here, and a page may rename its host."""
    if any(name in request.headers for name in HEADERS_OF_PROXIES) or request.url.hostname not in LOCAL_NAMES:
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
