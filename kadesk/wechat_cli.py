"""`kadesk wechat`: what is set up at WeChat by us."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer

from kadesk.errors import SettingsError
from kadesk.settings import Settings
from kadesk.shell import out, read_settings

if TYPE_CHECKING:
    from kadesk.database import Database
    from kadesk.wechat import OpenWeChat

wechat_commands = typer.Typer(help="Look after the 公众号.", no_args_is_help=True)


@wechat_commands.command("menu")
def make_menu() -> None:
    """Show find order, code problem and person as the menu under the conversation with the 公众号."""
    entries = asyncio.run(_make())
    out.print(f"The menu shows {', '.join(entries)}. WeChat brings it to followers within a day.")


@wechat_commands.command("clear-quota")
def clear_quota() -> None:
    """Have WeChat count today's calls from 0 again, and send what waits for that. WeChat does so ten times a month."""
    count = asyncio.run(_clear())
    out.print(f"WeChat counts anew for {count} 公众号; what waited goes out now.")


async def _make() -> dict[str, str]:
    from bot.phrases import Phrases

    settings = read_settings()
    phrases, language = Phrases(), settings.wechat.language
    names = ("order", "code", "person")
    entries = {phrases(language, f"menu.{name}"): phrases(language, f"menu.{name}_says") for name in names}
    async with _accounts(settings) as (accounts, _):
        for one in accounts:
            await one.wechat.set_menu(entries)
    return entries


async def _clear() -> int:
    from bot.channels.weixin.quota import start_anew
    from kadesk.wiring import clock
    from tickets import outbox

    async with _accounts(read_settings()) as (accounts, database):
        for one in accounts:
            await one.wechat.clear_quota()
            async with database.writing() as session:
                await start_anew(session, clock(), one.wechat.name, one.wechat.account)
                await outbox.hasten(session, clock(), one.wechat.name, one.wechat.account)
        return len(accounts)


@asynccontextmanager
async def _accounts(settings: Settings) -> "AsyncIterator[tuple[list[OpenWeChat], Database]]":
    """All that the settings name, for as long as the command lasts. Raises `SettingsError` where there is none."""
    from bot.channels.weixin.quota import tell_nobody
    from kadesk.database import Database
    from kadesk.keys import load_keys
    from kadesk.migrate import upgrade
    from kadesk.wechat import open_wechat
    from kadesk.wiring import clock
    from shop.vault import Vault

    database = Database(settings.database_url)
    try:
        await upgrade(database)
        accounts = open_wechat(settings.wechat, database, Vault(load_keys(settings)[0]), clock, tell_nobody)
        if not accounts:
            raise SettingsError(problem="There is no 公众号: set wechat.app_id, see docs/wechat.md.")
        try:
            yield accounts, database
        finally:
            for one in accounts:
                await one.wechat.close()
                await one.quota.write()
    finally:
        await database.close()
