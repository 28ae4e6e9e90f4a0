"""The console's shell on starlette-admin: its door, its look, and what every page of it shows.

The shell gives routing, access checks, signed CSRF tokens, flash messages and the lists; every template is ours, in
`templates/`, so that no page needs inline scripts, foreign styles or a request to another site.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from starlette_admin import BaseTheme, flash
from starlette_admin.auth import AdminUser, BaseAuthProvider
from starlette_admin.contrib.sqlmodel import Admin
from starlette_admin.helpers import list_url, safe_redirect_url
from starlette_admin.theme import IconSet
from starlette_admin.views import CustomView

from audit.errors import KadeskError
from console import sign_in, times
from console.banners import banners
from console.doors import FormToken, OwnForms, typed
from console.errors import SignInRefused, SignInResting
from console.pages import STATIC, TEMPLATES, asset
from console.refund_cards import count_work
from console.refusals import sentence_of
from console.rules import Site
from console.words import COOKIE as LANGUAGE_COOKIE
from console.words import LANGUAGES, words_for
from shop import money
from shop.masking import find_codes
from tickets.breakers import count_open
from tickets.rights import is_lead
from tickets.tables import Agent

log = logging.getLogger(__name__)

HOME = "/console/"


class SignedIn(AdminUser):
    """Who is looking at the page."""

    def __init__(self, agent: Agent, token_hash: str) -> None:
        super().__init__(username=agent.name)
        self.agent = agent
        self.token_hash = token_hash

    @property
    def id(self) -> int:
        assert self.agent.id is not None
        return self.agent.id


def reader(request: Request) -> SignedIn:
    """Who asks; the door has let nobody else in."""
    user = request.state.admin_user
    assert isinstance(user, SignedIn)
    return user


class Door(BaseAuthProvider):
    """Lets staff in by login and password, and keeps them by a token in a cookie that no script can read."""

    def __init__(self, site: Site) -> None:
        super().__init__(allow_routes=["language"])
        self.site = site
        # A __Host- cookie comes from this very host over HTTPS; browsers enforce it.
        self.cookie = "__Host-kadesk_console" if site.rules.cookie_secure else "kadesk_console"

    async def authenticate(self, request: Request) -> AdminUser | None:
        token = request.cookies.get(self.cookie)
        if not token:
            return None
        now, rules = self.site.clock(), self.site.rules
        async with self.site.database.reading() as session:
            found = await sign_in.find_agent(session, now, rules.idle, token)
        if found is None:
            return None
        agent, row = found
        if now - row.seen_at > sign_in.TOUCH_EVERY and "x-live" not in request.headers:
            async with self.site.database.writing() as session:
                await sign_in.touch(session, now, row.token_hash)
        return SignedIn(agent, row.token_hash)

    async def knows(self, request: Request) -> bool:
        return await self.authenticate(request) is not None

    def get_routes(self, templates: Jinja2Templates) -> list[Route]:
        self.templates = templates
        return [
            Route("/login", self.login, methods=["GET", "POST"], name="login"),
            Route("/logout", self.logout, methods=["POST"], name="logout"),
            Route("/language", self.choose_language, methods=["POST"], name="language"),
        ]

    async def login(self, request: Request) -> Response:
        onward = safe_redirect_url(request.query_params.get("next") or HOME, request, HOME)
        if request.state.is_anonymous is False:
            return RedirectResponse(onward, 303)
        if request.method == "GET":
            return self._form(request)
        form = await request.form()
        login, password = typed(form, "login", 200), typed(form, "password", 1000)
        say, source = words_for(request), request.client.host if request.client else "unknown"
        try:
            token = await sign_in.sign_in(self.site, login, password, source)
        except SignInRefused:
            log.info("sign-in refused from %s", source)
            return self._form(request, 401, login=login, error=say("sign_in.refused"))
        except SignInResting as resting:
            log.warning("too many wrong passwords from %s", source)
            until = times.day_and_time(resting.until, self.site.rules.time_zone, self.site.clock())
            return self._form(request, 429, login=login, error=say("sign_in.resting", until=until))
        response = RedirectResponse(onward, 303)
        self._set_cookie(response, token, int(self.site.rules.session.total_seconds()))
        return response

    async def logout(self, request: Request) -> Response:
        who = reader(request)
        async with self.site.database.writing() as session:
            await sign_in.end(session, self.site.clock(), who.id, who.token_hash)
        response = RedirectResponse(HOME, 303)
        self._set_cookie(response, "", 0)
        return response

    async def choose_language(self, request: Request) -> Response:
        """Remember the reader's language. A POST, as everything that is remembered."""
        form = await request.form()
        onward = safe_redirect_url(typed(form, "next") or HOME, request, HOME)
        response = RedirectResponse(onward, 303)
        if typed(form, "language") in LANGUAGES:
            secure = self.site.rules.cookie_secure
            response.set_cookie(
                LANGUAGE_COOKIE,
                typed(form, "language"),
                max_age=31_536_000,
                secure=secure,
                httponly=True,
                samesite="lax",
            )
        return response

    def _form(self, request: Request, status: int = 200, **facts: Any) -> Response:
        return self.templates.TemplateResponse(request, "login.html", {"login": "", "error": ""} | facts, status)

    def _set_cookie(self, response: Response, token: str, lasts: int) -> None:
        secure = self.site.rules.cookie_secure
        response.set_cookie(self.cookie, token, max_age=lasts, path="/", secure=secure, httponly=True, samesite="lax")


class Look(BaseTheme):
    """Our templates in the shell's place; they draw no icon fonts."""

    name = "kadesk"
    package = "console"

    def get_icon_set(self) -> IconSet:
        return IconSet()


class Page(CustomView):
    """A page of the console: shows what staff must know before anything else, and a word in the menu."""

    word = ""  # key in words/, "menu.…"

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site

    def title(self, request: Request) -> str:
        return words_for(request)(self.word) if self.word else ""

    def address(self, request: Request) -> str:
        return "/console" + self.path

    @asynccontextmanager
    async def telling(self, request: Request, done: str) -> AsyncIterator[AsyncSession]:
        """One change, in a transaction of its own; the next page says that it was done, or why it was refused."""
        say = words_for(request)
        try:
            async with self.site.database.writing() as session:
                yield session
        except KadeskError as error:
            flash(request, sentence_of(say, error), "error")
        else:
            flash(request, say(done), "success")

    async def show(self, request: Request, template: str, facts: dict[str, Any], status: int = 200) -> Response:
        assert self._admin is not None
        facts = {"title": self.title(request)} | await told_everywhere(self.site, request) | facts
        return self._admin._template_response(request, template, facts, status)


class LeadPage(Page):
    """A page for leads: others see it neither in the menu nor at its address."""

    def is_accessible(self, request: Request) -> bool:
        return is_lead(reader(request).agent)


async def told_everywhere(site: Site, request: Request) -> dict[str, Any]:
    """What `layout.html` says above every page and list: what staff must know before anything else."""
    now, who = site.clock(), reader(request)
    stuck = await site.stranded.counts(site.database, now)
    async with site.database.reading() as session:
        return {
            "stuck": stuck,
            "banners": await banners(session, now, site.rules.sweep_stale, who.id),
            "to_decide": await count_work(session, who.agent),
            "paused": await count_open(session, now),
            "failing": site.failing(),
            "dark": sum(one.is_red for one in await site.lights(session, now)) if site.lights else 0,
        }


def open_shell(app: FastAPI, site: Site, home: Page, *views: Any) -> None:
    """Put the console on `/console`."""
    door = Door(site)
    admin = Admin(
        session_provider=site.database.engine,
        title="Kadesk",
        base_url="/console",
        route_name="console",
        templates_dir=str(TEMPLATES),
        static_dir=str(STATIC),
        index_view=home,
        theme=Look(),
        auth_provider=door,
        # Every process must sign alike, and a restart must not void open pages.
        secret_key=site.vault.keyed_hash("console", "csrf"),
        # Before the token check, which reads the whole body.
        middlewares=[Middleware(OwnForms, is_staff=door.knows), Middleware(FormToken)],
        timezone_config=None,
    )
    admin.templates.context_processors.append(lambda request: _common(request, site))
    for view in views:
        admin.add_view(view)
    admin.mount_to(app)


def _common(request: Request, site: Site) -> dict[str, Any]:
    """What every template of the shell may use."""
    say, zone, now = words_for(request), site.rules.time_zone, site.clock()
    return {
        "say": say,
        "asset": asset,
        "now": now,
        "zone": zone,
        "me": getattr(request.state, "admin_user", None),
        "retold": lambda text: site.retell(say.language, text),
        "span": lambda length: times.in_words(say, length),
        "short": lambda at: times.day_and_time(at, zone, now),
        "stamp": lambda at: times.stamp(at, zone),
        "full": lambda at: times.full(at, zone),
        **getattr(request.state, "beside", {}),
        # The shell's address of a list with other choices, without a host name that a proxy might know better.
        "again": lambda **choices: "?" + urlsplit(list_url(request, **choices)).query,
        "money": money.in_words,
        "money_plain": money.plain,
        "here": _address(request),
    }


def _address(request: Request) -> str:
    """Where the page's small forms come back to; a code that somebody typed into an address goes no further."""
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return HOME if find_codes(address) else address
