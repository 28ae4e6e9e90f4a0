"""Where the real things are made and joined: the one place that knows every room."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlmodel import select

from bot.bell import Bell
from bot.budget import Budget
from bot.channels.port import Channel
from bot.delivery import Delivery
from bot.dialogue import Dialogue
from bot.door import Door
from bot.inbox import Inbox
from bot.phrases import Phrases
from faq.answers import KnownAnswers
from faq.encoder import installed
from faq.entries import add_missing, published
from faq.knowledge import load
from faq.matcher import Matcher, Price
from faq.phrasing import Entry
from faq.versions import entries_version
from kadesk.database import Database
from kadesk.demo import load_demo
from kadesk.errors import SettingsError
from kadesk.folder import make_folder
from kadesk.keys import has_keys, load_keys
from kadesk.migrate import upgrade
from kadesk.promises import promises_of
from kadesk.settings import Settings
from kadesk.shops import open_links, open_shops
from kadesk.suppliers import open_suppliers
from kadesk.telegram import CHANNEL
from kadesk.workers import Workers
from shop.shops import Shops
from shop.supplier_port import SupplierSite
from shop.tables import Code
from shop.vault import Vault
from tickets import letters
from tickets.claims import ClaimRules, Claims
from tickets.clocks import ensure_policy
from tickets.desk import Desk, DeskRules
from tickets.grievance import Grievance
from tickets.hours import Calendar, Window
from tickets.mailed_codes import MailedCodes
from tickets.ownership import Ownership
from tickets.payouts import Payer
from tickets.quiet import QuietHours
from tickets.routing import Level
from tickets.rules import STAFFED, RatingRules, Reminders, Triggers
from tickets.rungs import Rungs
from tickets.sla import Metric, Policy
from tickets.statuses import statuses
from tickets.suspicion import Suspicion
from tickets.tables import Category, Reason
from tickets.timetables import Timetable, parse_windows


def clock() -> datetime:
    """The only clock of a running Kadesk."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Kadesk:
    """The joined parts; commands and the server take what they need."""

    settings: Settings
    database: Database
    vault: Vault
    phrases: Phrases
    desk: Desk
    claims: Claims
    shop: Shops
    dialogue: Dialogue
    answers: KnownAnswers
    entries_version: str  # of the entries that `answers` was built from
    inbox_bell: Bell
    outbox_bell: Bell
    new_keys: Path | None  # the file that the vault's keys were just generated into
    suppliers: Mapping[str, SupplierSite] = field(default_factory=dict)  # those whose systems are asked, by their names
    workers: Workers = field(default_factory=Workers)  # of this process, while it serves

    def sign_audit(self, text: str) -> str:
        """What keeps the audit chain from being made anew by somebody who has only the database."""
        return self.vault.keyed_hash("audit", text)

    def find_payer(self, shop: str) -> Payer | None:
        """What pays back for the shop of this name; None: a person does."""
        return self.shop.find(shop)

    async def close(self) -> None:
        """Let go of our database, of the shops and of the suppliers."""
        await self.shop.close()
        for supplier in self.suppliers.values():
            await supplier.close()
        await self.database.close()

    @cached_property
    def door(self) -> Door:
        return Door(self.database, self.vault, clock, self.inbox_bell, self.settings.bot.rate)

    async def send_mail(self) -> None:
        """Send the letters that are due, where there is a mail server."""
        if postman := self.settings.mail.postman:
            await letters.send_letters(self.database, clock, self.vault, postman, self.desk)

    def inbox(self, channels: Iterable[Channel]) -> Inbox:
        return Inbox(
            self.database,
            self.vault,
            channels,
            self.dialogue,
            clock,
            bell=self.inbox_bell,
            outbox_bell=self.outbox_bell,
            file_limit=self.settings.bot.file_limit << 20,
            guests=self.door.together,
        )

    def delivery(self, channels: Iterable[Channel]) -> Delivery:
        telegram = self.settings.telegram
        return Delivery(
            self.database,
            channels,
            clock,
            bell=self.outbox_bell,
            links=self.claims.links,
            then=self.dialogue.follow_delivery,
            budget=lambda channel: telegram.budget() if channel.name == CHANNEL else Budget(),
        )


async def wire(settings: Settings, *, demo: bool = False) -> Kadesk:
    """Open (or create) the install that the settings describe and join its parts.

    The database is brought to the newest migration; missing FAQ entries and a changed SLA target are written.
    """
    make_folder(settings.data.dir)
    database = Database(settings.database_url, held=len(settings.telegram.accounts.all) + settings.staff_bot.is_on)
    await upgrade(database)
    if not has_keys(settings) and await _has_codes(database):
        problem = f"The keys of the codes are gone: put {settings.data.dir / 'keys'} back from your backup."
        raise SettingsError(problem=problem)
    keys, new_keys = load_keys(settings)
    vault = Vault(keys)
    if demo:
        await load_demo(database, vault, clock(), settings.data.dir)
    async with database.writing() as session:
        await add_missing(session, clock(), load())
        entries, version = await published(session), await entries_version(session)
    phrases = Phrases()
    desk = Desk(phrases, desk_rules(settings))
    suspicion = Suspicion(vault, settings.risk.rules)
    shop = Shops(open_shops(settings.shop, database, vault))
    claims = Claims(desk, vault, _claim_rules(settings), shop.powers_of, gates=(suspicion,))
    async with database.writing() as session:
        await desk.reroute(session, clock())
        for policy in desk.rules.promises:
            await ensure_policy(session, clock(), policy)
    answers = KnownAnswers(entries, await asyncio.to_thread(build_matcher, settings, entries))
    dialogue = Dialogue(
        desk=desk,
        claims=claims,
        ownership=Ownership(vault, settings.ownership.rules),
        mails=MailedCodes(vault, phrases, settings.mail.shop, settings.mail.rules) if settings.mail.host else None,
        shop=shop,
        own_shops={place: shop.led_by(names) for place, names in settings.own_shops.items()},
        answers=answers,
        phrases=phrases,
        links=open_links(settings.shop, settings.ownership.link_secret),
        hours=settings.console.hours,
        time_zone=settings.console.time_zone,
    )
    bells, suppliers = (Bell(), Bell()), open_suppliers(settings.suppliers)
    return Kadesk(
        settings, database, vault, phrases, desk, claims, shop, dialogue, answers, version, *bells, new_keys, suppliers
    )


async def _has_codes(database: Database) -> bool:
    async with database.reading() as session:
        return (await session.exec(select(Code.id).limit(1))).first() is not None


def desk_rules(settings: Settings) -> DeskRules:
    sla, timetables = settings.sla, timetables_of(settings)
    return DeskRules(
        handling=sla.handling,
        hurry_every=settings.bot.hurry_every,
        hush=settings.bot.hush,
        message_limit=settings.bot.message_limit,
        staff_language=settings.console.language,
        head_starts=settings.routing.head_starts,
        routing=settings.routing.routing({**settings.telegram.accounts.queues, **settings.wechat.accounts.queues}),
        batches=settings.batches.rules,
        supplier_reminders=settings.suppliers.reminders,
        rungs=Rungs(sla.warn_before, sla.lead_after, sla.manager_after, sla.again_every),
        triggers=_triggers(settings),
        money=settings.refunds.rules(settings.claims.two_persons),
        ratings=RatingRules(settings.ratings.ask, settings.ratings.correct_within, settings.ratings.answer_within),
        fields=tuple(section.field(name) for name, section in settings.fields.items()),
        reminders=Reminders(settings.escalation.repeat_after, settings.escalation.repeat_times),
        quiet=_quiet(settings),
        zone=ZoneInfo(settings.console.time_zone),
        statuses=statuses(section.status(name) for name, section in settings.statuses.items()),
        reopen_within=settings.lifecycle.reopen_within,
        silence_warned_after=settings.lifecycle.silence_warned_after,
        silence_closes_after=settings.lifecycle.silence_closes_after,
        policies=(
            *promises_of(
                {
                    Metric.FIRST_RESPONSE: sla.first_response,
                    Metric.NEXT_RESPONSE: sla.next_response,
                    Metric.RESOLUTION: sla.resolution,
                },
                sla.policies,
                sla.pause_cap,
                timetables,
            ),
            # After the owner's own: of two promises for the same tickets the one written first holds.
            Policy(Metric.HANDLING, sla.undelivered, category=Category.UNDELIVERED),
        ),
        calendars={name: timetable.calendar() for name, timetable in timetables.items()},
    )


def timetables_of(settings: Settings) -> dict[str, Timetable]:
    """Every calendar by name; the staffed hours are those of [console] unless there is a calendar of that name."""
    console = settings.console
    staffed = Timetable(STAFFED, console.time_zone, console.hours, {}, console.holidays)
    own = settings.sla.calendars.items()
    return {STAFFED: staffed} | {name: section.timetable(name, console.time_zone) for name, section in own}


def _triggers(settings: Settings) -> Triggers:
    chosen = settings.escalation
    return Triggers(
        chosen.reopened_times,
        chosen.hurried_times,
        frozenset(Grievance(kind) for kind in chosen.risky),
        chosen.risky_words,
    )


def _quiet(settings: Settings) -> QuietHours:
    chosen = settings.escalation
    if not chosen.quiet_hours:
        return QuietHours()
    ((quiet,), zone) = parse_windows(chosen.quiet_hours), ZoneInfo(settings.console.time_zone)
    awake = Calendar("awake", zone, ((Window(quiet.closes, quiet.opens),),) * 7)
    return QuietHours(awake, Level(int(chosen.urgent_from[1:])) if chosen.urgent_from else None)


def _claim_rules(settings: Settings) -> ClaimRules:
    return ClaimRules(
        auto_limit=int(settings.claims.auto_limit * 100),
        auto_reasons=frozenset(Reason(reason) for reason in settings.claims.auto_reasons),
        proof_within=settings.claims.proof_within,
        closed_after=settings.claims.closed_after,
        reveal_ttl=settings.claims.reveal_ttl,
        reveal_url=lambda token: f"{settings.public_url}/r/{token}",
        chat_url=(lambda payload: f"{settings.public_url}/chat?start={payload}") if settings.web.public_url else None,
        breakers=settings.breakers.rules,
    )


def build_matcher(settings: Settings, entries: Iterable[Entry]) -> Matcher:
    cache = settings.data.dir / "cache"
    encoder = installed(cache) if settings.faq.encoder else None
    return Matcher.build(entries, encoder, Price(settings.faq.wrong_in), cache=cache)


async def open_entries(settings: Settings) -> tuple[Entry, ...]:
    """The published entries of this install, or the seed entries when there is none yet."""
    if settings.data.url.get_secret_value() or (settings.data.dir / "kadesk.db").exists():
        database = Database(settings.database_url)
        async with database.reading() as session:
            entries = await published(session)
        await database.close()
        return entries
    return load()


async def open_answers(settings: Settings) -> KnownAnswers:
    """What the bot knows, without opening the rest of the install."""
    entries = await open_entries(settings)
    return KnownAnswers(entries, build_matcher(settings, entries))
