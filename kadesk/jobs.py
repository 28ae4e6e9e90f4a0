"""The jobs of a running Kadesk: what the scheduler rings for. Deadlines stand in the database, never here."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from audit.anchors import append_anchor
from audit.trail import find_head, link_rows
from bot.channels.weixin.quota import forget as forget_calls
from bot.inbox import forget_done, has_unheard
from bot.staff.forgetting import forget as forget_staff_posts
from faq.entries import published
from faq.learning import forget
from faq.versions import entries_version
from kadesk.folder import keep_head, read_head
from kadesk.inspection import find_problems, report
from kadesk.wiring import Kadesk, build_matcher, clock
from scheduler import Job, Work
from shop import errands, incoming, refunds
from tickets import (
    alarms,
    batch_incidents,
    canary,
    claim_alarms,
    escalations,
    letters,
    mailed_codes,
    payouts,
    reminders,
    second_way,
    supplier_checks,
    window_alarms,
)
from tickets.complaints import Complaints
from tickets.errands import Errands
from tickets.refunds import Refunds
from tickets.routing import Assignment
from tickets.shop_events import Follower
from tickets.tables import Conversation

log = logging.getLogger(__name__)

REMIND_EVERY = timedelta(seconds=60)
WATCH_EVERY = timedelta(seconds=60)
WAKE_EVERY = timedelta(seconds=30)
DEAF_AFTER = timedelta(minutes=5)  # without a turn: whatever buyers said since is still to come
HEARD_WITHIN = timedelta(minutes=5)  # in which the channels bring it
DEAL_EVERY = timedelta(seconds=10)
DEAL_PAGE = 50  # tickets given in one transaction
LINK_EVERY = timedelta(seconds=5)
LINK_PAGE = 2_000  # audit rows chained in one transaction
LEARN_EVERY = timedelta(seconds=10)
PAY_EVERY = timedelta(seconds=10)
ERRANDS_EVERY = timedelta(seconds=2)  # a buyer waits for the code
ERRANDS_LEFT_EVERY = timedelta(minutes=1)  # where nothing is to be written now: what was wanted before is ended
FOLLOW_EVERY = timedelta(seconds=10)
COMPLAIN_EVERY = timedelta(seconds=30)
MAIL_EVERY = timedelta(seconds=3)  # a buyer waits for the code
TIDY_EVERY = timedelta(hours=6)
INSPECT_EVERY = timedelta(days=1)
# Telegram repeats an update for a day, and a server that repeats it for ever is known: see bot.channels.botapi.marks.
INBOX_KEPT = timedelta(days=7)
EVENTS_KEPT = timedelta(days=30)  # longer than any shop sends one again
LETTERS_KEPT = timedelta(days=30)  # without their text: whether and when they went out
STAFF_POSTS_KEPT = timedelta(days=30)  # what was said to staff on Telegram, and the buttons under it
CALLS_KEPT = timedelta(days=31)  # how often the interfaces of WeChat were called
MAILED_CODES_KEPT = timedelta(days=1)  # longer than any limit counts


def jobs(kadesk: Kadesk) -> list[Job]:
    """Every job, ready to be rung for."""
    return [
        Job("sweep", kadesk.settings.sla.sweep_every, _sweep(kadesk)),
        Job("wake and close", WAKE_EVERY, _wake(kadesk)),
        *([Job("deal", DEAL_EVERY, _deal(kadesk))] if kadesk.desk.rules.routing.assignment != Assignment.PULL else []),
        Job("canary", canary.SPAN, _canary(kadesk)),
        Job("remind staff", REMIND_EVERY, _remind(kadesk)),
        Job("watch suppliers", WATCH_EVERY, _watch_suppliers(kadesk)),
        *([Job("ask suppliers", COMPLAIN_EVERY, _ask_suppliers(kadesk))] if kadesk.suppliers else []),
        Job("link audit rows", LINK_EVERY, _link(kadesk)),
        Job("rebuild answers", LEARN_EVERY, _rebuild(kadesk)),
        Job("pay refunds", PAY_EVERY, _pay(kadesk)),
        Job("errands to shops", ERRANDS_EVERY if _writes(kadesk) else ERRANDS_LEFT_EVERY, _run_errands(kadesk)),
        *([Job("follow shop events", FOLLOW_EVERY, _follow(kadesk))] if _tells_events(kadesk) else []),
        *([Job("send mail", MAIL_EVERY, _send_mail(kadesk))] if kadesk.settings.mail.host else []),
        Job("tidy", TIDY_EVERY, _tidy(kadesk)),
        Job("inspect", INSPECT_EVERY, _inspect(kadesk)),
    ]


def _sweep(kadesk: Kadesk) -> Work:
    async def sweep() -> datetime | None:
        swept = await escalations.sweep(kadesk.database, clock, kadesk.desk)
        if swept.escalated or swept.late:
            kadesk.outbox_bell.ring()
            log.info(
                "escalated %s tickets and reported %s late, the latest by %s",
                swept.escalated,
                swept.late,
                swept.late_by,
            )
        async with kadesk.database.reading() as session:
            return await escalations.next_due(session)

    return sweep


def _wake(kadesk: Kadesk) -> Work:
    """After a stop or a machine's sleep, silence counts once the channels could bring what was said meanwhile."""
    rung_at = hears_since = datetime.min.replace(tzinfo=UTC)

    async def wake() -> datetime | None:
        nonlocal rung_at, hears_since
        now = clock()
        if now - rung_at > DEAF_AFTER:
            hears_since = now
        rung_at, counts = now, now - hears_since >= HEARD_WITHIN
        done = await alarms.ring(kadesk.database, clock, kadesk.desk, unheard=_unheard, counts_silence=counts)
        if done.warned or done.closed:
            kadesk.outbox_bell.ring()
            log.info("woke %s tickets, warned of %s, closed %s", done.woken, done.warned, done.closed)
        before = kadesk.settings.escalation.before_window
        if warned := await window_alarms.ring(kadesk.database, clock, kadesk.desk, before):
            log.info("escalated %s tickets before their windows close", warned)
        if kadesk.claims.rules.chat_url and await second_way.offer(kadesk.database, clock, kadesk.desk, before):
            kadesk.outbox_bell.ring()
        if counts and (await claim_alarms.ring(kadesk.database, clock, kadesk.claims, _unheard)).silent:
            kadesk.outbox_bell.ring()
        async with kadesk.database.reading() as session:
            return await alarms.next_alarm(session, counts_silence=counts)

    return wake


async def _unheard(session: AsyncSession, conversation: Conversation) -> bool:
    return await has_unheard(session, conversation.channel, conversation.account, conversation.address)


def _deal(kadesk: Kadesk) -> Work:
    """Give out what waits: room comes free in many ways, and the sweep brings tickets in by the thousand."""

    async def deal() -> None:
        dealt = DEAL_PAGE
        while dealt == DEAL_PAGE:
            async with kadesk.database.writing() as session:
                dealt = len(await kadesk.desk.deal(session, clock(), DEAL_PAGE))

    return deal


def _canary(kadesk: Kadesk) -> Work:
    async def set_canary() -> None:
        async with kadesk.database.elected("canary") as is_ours:
            if is_ours:
                async with kadesk.database.writing() as session:
                    await canary.set_canary(session, clock())

    return set_canary


def _remind(kadesk: Kadesk) -> Work:
    async def remind() -> None:
        async with kadesk.database.elected("reminders") as is_ours:
            if is_ours:
                async with kadesk.database.writing() as session:
                    await reminders.deliver_late(session, clock(), kadesk.desk.rules)
                    await reminders.remind(session, clock(), kadesk.desk.rules)

    return remind


def _watch_suppliers(kadesk: Kadesk) -> Work:
    """The clocks of supplier checks, and what an incident left out when it opened."""

    async def watch() -> datetime | None:
        if acted := await supplier_checks.watch(kadesk.database, clock, kadesk.desk):
            kadesk.outbox_bell.ring()
            log.info("acted on %s supplier checks", acted)
        await batch_incidents.gather_all(kadesk.database, clock, kadesk.desk)
        async with kadesk.database.reading() as session:
            return await supplier_checks.next_watch(session)

    return watch


def _ask_suppliers(kadesk: Kadesk) -> Work:
    """One process at a time: the systems of suppliers want their calls apart."""
    complaints = Complaints(kadesk.database, clock, kadesk.desk, kadesk.vault, kadesk.shop.find, kadesk.suppliers)

    async def ask() -> None:
        async with kadesk.database.elected("suppliers") as is_ours:
            if is_ours and await complaints.work():
                kadesk.outbox_bell.ring()

    return ask


def _link(kadesk: Kadesk) -> Work:
    async def link() -> None:
        folder = kadesk.settings.data.dir
        async with kadesk.database.elected("audit linker") as is_ours:
            while is_ours:
                async with kadesk.database.writing() as session:
                    head, count = await link_rows(session, kadesk.sign_audit, read_head(folder), LINK_PAGE)
                if count:
                    keep_head(folder, head)
                if count < LINK_PAGE:
                    return

    return link


def _rebuild(kadesk: Kadesk) -> Work:
    """Another process, or the command line, may have changed an entry: build a new matcher, then swap."""
    known = kadesk.entries_version

    async def rebuild() -> None:
        nonlocal known
        async with kadesk.database.reading() as session:
            version = await entries_version(session)
            if version == known:
                return
            entries = await published(session)
        kadesk.answers.swap(entries, await asyncio.to_thread(build_matcher, kadesk.settings, entries))
        known = version
        log.info("answers rebuilt from %s entries", len(entries))

    return rebuild


def _pay(kadesk: Kadesk) -> Work:
    """Any number of processes may: one of them asks a shop about one refund at a time."""

    async def pay() -> datetime | None:
        if await payouts.pay_refunds(kadesk.database, clock, Refunds(kadesk.desk), kadesk.find_payer):
            kadesk.outbox_bell.ring()
        async with kadesk.database.reading() as session:
            return await refunds.next_due(session)

    return pay


def _writes(kadesk: Kadesk) -> bool:
    return any(one.writes for one in kadesk.settings.shop.all)


def _run_errands(kadesk: Kadesk) -> Work:
    """Any number of processes may: one of them asks a shop for one thing at a time."""
    errands_of = Errands(kadesk.database, clock, kadesk.claims, kadesk.shop.find)

    async def run() -> datetime | None:
        if await errands_of.run():
            kadesk.outbox_bell.ring()
        async with kadesk.database.reading() as session:
            due_at = await errands.next_due(session)
        return due_at if due_at and due_at > clock() else None

    return run


def _tells_events(kadesk: Kadesk) -> bool:
    return any(one.events for one in kadesk.settings.shop.all)


def _follow(kadesk: Kadesk) -> Work:
    """Any number of processes may: one of them looks at the order of one event at a time."""
    rules = {one.name: one.missed_rules for one in kadesk.settings.shop.all}
    follower = Follower(kadesk.database, clock, kadesk.desk, kadesk.vault, kadesk.shop.find, rules)

    async def follow() -> datetime | None:
        if await follower.follow() + await follower.revisit():
            kadesk.outbox_bell.ring()
        async with kadesk.database.reading() as session:
            due_at = await incoming.next_due(session)
        return due_at if due_at and due_at > clock() else None  # what is due still waits for a shop that is away

    return follow


def _send_mail(kadesk: Kadesk) -> Work:
    """Any number of processes may: a letter that one of them tries is left alone by the others."""

    async def send() -> datetime | None:
        await kadesk.send_mail()
        async with kadesk.database.reading() as session:
            return await letters.next_due(session)

    return send


def _tidy(kadesk: Kadesk) -> Work:
    """Forget what need not be kept."""

    async def tidy() -> None:
        now = clock()
        async with kadesk.database.writing() as session:
            await forget(session, now, now - kadesk.settings.faq.questions_kept)
        async with kadesk.database.writing() as session:
            await forget_done(session, now - INBOX_KEPT)
        async with kadesk.database.writing() as session:
            await incoming.forget(session, now - EVENTS_KEPT)
            await letters.forget(session, now - LETTERS_KEPT)
            await mailed_codes.forget(session, now - MAILED_CODES_KEPT)
            await forget_staff_posts(session, now - STAFF_POSTS_KEPT)
            await forget_calls(session, now - CALLS_KEPT)

    return tidy


def _inspect(kadesk: Kadesk) -> Work:
    """Look whether chain and books are as they must be, after every start and daily; anchor the chain's head."""

    async def inspect() -> None:
        folder, anchors = kadesk.settings.data.dir, kadesk.settings.audit.anchor_path
        async with kadesk.database.elected("inspection") as is_ours:
            if not is_ours:
                return
            async with kadesk.database.reading() as session:
                found = find_problems(session, kadesk.sign_audit, read_head(folder), anchors)
                problems = [problem async for problem in found]
                head = await find_head(session)
            for problem in problems:
                log.error("%s", problem)
            async with kadesk.database.writing() as session:
                await report(session, clock(), kadesk.desk, problems)
            log.info("audit head %s", head.to_text().strip())
            if anchors and not problems:
                append_anchor(anchors, clock(), head)

    return inspect
