"""Puts the web pages on an application."""

from collections.abc import Callable, Sequence
from datetime import datetime

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from console import buyer
from console.account import AccountPage
from console.banners import DeadLetters, Stranded
from console.batches import BatchesPage
from console.bots import BotsPage
from console.breakers import BreakersPage
from console.doors import SecureHeaders
from console.files import FilesPage
from console.hidden_words import HiddenWordsPage
from console.lists import AuditList, BuyerList, TicketList
from console.macros import MacrosPage
from console.pages import STATIC
from console.pictures import PicturesPage
from console.provenance import CodePage, CodesPage
from console.queue import QueuePage
from console.refunds import RefundsPage
from console.reports import ReportsPage
from console.rules import ConsoleRules, Database, Lights, Site
from console.shell import open_shell
from console.stranded import StrandedPage
from console.suppliers import SuppliersPage
from console.tags import TagsPage
from console.ticket import TicketPage
from shop.port import Counter
from shop.vault import Vault
from tickets.claims import Claims
from tickets.desk import Desk


def mount_console(
    app: FastAPI,
    *,
    database: Database,
    desk: Desk,
    claims: Claims,
    shop: Counter,
    vault: Vault,
    clock: Callable[[], datetime],
    rules: ConsoleRules,
    letters: DeadLetters,
    retell: Callable[[str, str], str],
    lights: Lights | None = None,
    failing: Callable[[], Sequence[str]] = tuple,
) -> None:
    """Add /console, /console/static, /chat and /r/{token}. The chat's own API, /chat/api, is the web channel's."""
    site = Site(database, desk, claims, shop, vault, clock, rules, Stranded(letters), retell, lights, failing)
    app.add_middleware(SecureHeaders, is_secure=rules.cookie_secure)
    app.include_router(buyer.router(site))
    # Before the shell, whose own checks would ask the database about every picture.
    app.mount("/console/static", StaticFiles(directory=STATIC), name="console-static")
    open_shell(
        app,
        site,
        QueuePage(site),
        TicketPage(site),
        StrandedPage(site),
        HiddenWordsPage(site),
        PicturesPage(site),
        FilesPage(site),
        BreakersPage(site),
        BotsPage(site),
        RefundsPage(site),
        TicketList(site),
        MacrosPage(site),
        TagsPage(site),
        ReportsPage(site),
        SuppliersPage(site),
        BatchesPage(site),
        CodesPage(site),
        CodePage(site),
        BuyerList(site),
        AccountPage(site),
        AuditList(site),
    )
