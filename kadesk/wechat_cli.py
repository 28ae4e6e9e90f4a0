"""`kadesk wechat`: what is set up at WeChat by us."""

import asyncio

import typer

from kadesk.errors import SettingsError
from kadesk.shell import out, read_settings

wechat_commands = typer.Typer(help="Look after the 公众号.", no_args_is_help=True)


@wechat_commands.command("menu")
def make_menu() -> None:
    """Show find order, code problem and person as the menu under the conversation with the 公众号."""
    entries = asyncio.run(_make())
    out.print(f"The menu shows {', '.join(entries)}. WeChat brings it to followers within a day.")


async def _make() -> dict[str, str]:
    from bot.phrases import Phrases
    from kadesk.database import Database
    from kadesk.keys import load_keys
    from kadesk.migrate import upgrade
    from kadesk.wechat import open_wechat
    from kadesk.wiring import clock
    from shop.vault import Vault

    settings = read_settings()
    phrases, language = Phrases(), settings.wechat.language
    names = ("order", "code", "person")
    entries = {phrases(language, f"menu.{name}"): phrases(language, f"menu.{name}_says") for name in names}
    database = Database(settings.database_url)
    try:
        await upgrade(database)
        accounts = open_wechat(settings.wechat, database, Vault(load_keys(settings)[0]), clock)
        if not accounts:
            raise SettingsError(problem="There is no 公众号: set wechat.app_id, see docs/wechat.md.")
        for account in accounts:
            await account.set_menu(entries)
            await account.close()
    finally:
        await database.close()
    return entries
