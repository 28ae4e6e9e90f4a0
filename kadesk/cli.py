"""The command line. Every command is a thin shell over a room; errors are one sentence and exit code 2."""

import asyncio
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy.exc import InterfaceError, OperationalError

from audit.errors import KadeskError
from kadesk import loop, staff_cli
from kadesk.audit_cli import audit_commands
from kadesk.faq_cli import faq_commands
from kadesk.keys_cli import keys_commands
from kadesk.settings import Settings
from kadesk.shell import AsJson, out, print_json, read_settings
from kadesk.shop_cli import shop_commands
from kadesk.sla_cli import sla_commands
from kadesk.wechat_cli import wechat_commands
from shop.masking import mask_text

if TYPE_CHECKING:  # a command loads only what it needs
    from faq.matcher import Match

app = typer.Typer(
    name="kadesk",
    help="The support desk for shops that sell digital codes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
db_commands = typer.Typer(help="Look after the database.", no_args_is_help=True)
users_commands = typer.Typer(help="Look after staff accounts.", no_args_is_help=True)
app.add_typer(faq_commands, name="faq")
app.add_typer(db_commands, name="db")
app.add_typer(users_commands, name="users")
app.add_typer(audit_commands, name="audit")
users_commands.command("add")(staff_cli.add_account)
users_commands.command("password")(staff_cli.set_password)
users_commands.command("disable")(staff_cli.disable_account)
users_commands.command("set")(staff_cli.set_account)
users_commands.command("manage")(staff_cli.set_manager)
app.add_typer(sla_commands, name="sla")
app.add_typer(keys_commands, name="keys")
app.add_typer(shop_commands, name="shop")
app.add_typer(wechat_commands, name="wechat")


def main() -> None:
    """The entry point: turns every expected refusal into one sentence and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except KadeskError as error:
        _refuse(str(error))
    except typer.TyperException as error:
        sentence = error.format_message()
        if sentence.startswith("Usage:"):  # a group without its command: its help is the answer
            out.print(sentence)
            sys.exit(2)
        _refuse(f"{sentence.removesuffix('.')}. Try --help.")
    except (OperationalError, InterfaceError) as error:
        _refuse(f"The database cannot be used: {error.orig}.")
    except OSError as error:  # asyncpg lets it through as it is
        _refuse(f"The database does not answer: {error.strerror or error}.")
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    sys.exit(code)


def _refuse(sentence: str) -> None:
    print(f"kadesk: {sentence}", file=sys.stderr)  # noqa: T201  # a command line speaks on standard error
    sys.exit(2)


@app.command()
def serve(demo: Annotated[bool, typer.Option(help="Load the demo shop and staff first.")] = False) -> None:
    """Start web, bot, delivery and scheduler in one process; Ctrl-C stops them."""
    from kadesk import demo as demo_install
    from kadesk.folder import held, make_folder
    from kadesk.serve import open_socket
    from kadesk.serve import serve as run_server
    from kadesk.wiring import wire

    settings = read_settings()
    make_folder(settings.data.dir)

    async def run() -> None:
        kadesk = await wire(settings, demo=demo)
        if kadesk.new_keys:
            out.print(
                f"New keys for the codes were written to {kadesk.new_keys}. Back this file up: without it, no code"
            )
            out.print("can be read again.")
        demo_install.print_guide(demo_install.read_guide(settings.data.dir / "demo.json"), settings.public_url)
        await run_server(kadesk, listener, on_ready=lambda: out.print("Ready. Ctrl-C stops it."))

    with held(settings.data.dir), open_socket(settings.web.host, settings.web.port) as listener:
        loop.run(run())


@app.command("demo-info")
def demo_info() -> None:
    """Print the demo's addresses, orders and staff accounts again."""
    from kadesk.demo import print_guide, read_guide

    settings = read_settings()
    guide = read_guide(settings.data.dir / "demo.json")
    print_guide(guide, settings.public_url)
    if not guide.orders:
        out.print(f"There is no demo in {settings.data.dir}: make run loads one.")


@app.command()
def chat(
    buyer: Annotated[str, typer.Option("--as", metavar="NAME", help="Which buyer you are.")] = "terminal",
    channel: Annotated[
        str, typer.Option(help="terminal, or telegram: a stand-in for Telegram on this machine, no token needed.")
    ] = "terminal",
) -> None:
    """Talk to the bot in this terminal; lines may be piped in."""
    from kadesk.chat import Place
    from kadesk.chat import chat as talk
    from kadesk.folder import make_folder, spoken_for
    from kadesk.wiring import wire

    if channel not in list(Place):
        raise typer.BadParameter(f"There is no channel {channel!r} to chat on; choose {' or '.join(Place)}.")
    settings = read_settings()
    make_folder(settings.data.dir)

    async def run() -> None:
        kadesk = await wire(settings)
        await talk(kadesk, buyer, Place(channel))
        await kadesk.close()

    with spoken_for(settings.data.dir, buyer):
        loop.run(run())


@app.command()
def ask(
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    as_json: AsJson = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each view of the matcher says.")] = False,
) -> None:
    """What the bot would make of one question, and answer to it."""
    from bot.dialogue.answering import fill_in, text_of
    from bot.phrases import Phrases
    from kadesk.wiring import open_answers

    settings = read_settings()
    answers = asyncio.run(open_answers(settings))
    match = answers.match(text)
    if as_json:
        candidates = [{"entry": one.entry, "score": round(one.score, 4)} for one in match.candidates]
        facts = {"outcome": match.outcome, "entry": match.entry, "score": round(match.score, 4)}
        print_json(facts | {"candidates": candidates}, indent=None)
    elif explain:
        _explain(match)
    elif match.entry:
        answer = text_of(match.language, answers.get(match.entry)).answer
        promised = (settings.sla.handling, settings.console.hours)
        out.print(fill_in(Phrases(), match.language, answer, *promised))
    elif match.outcome == "suggest":
        for one in match.candidates:
            out.print(f"? {text_of(match.language, answers.get(one.entry)).question}")
    else:
        out.print("No known answer: a person would take over.")


def _explain(match: "Match") -> None:
    """The outcome, what was read in the text, and each view's vote for the candidates."""
    out.print(f"{match.outcome} {match.entry or '-'} {match.score:.2f}  ({match.kind}, {match.language})")
    for slot in match.slots:
        out.print(f"  {slot.kind}: {mask_text(slot.value)}")
    for one in match.candidates:
        votes = "  ".join(f"{view} {vote:.2f}" for view, vote in one.votes.items())
        out.print(f"  {one.entry:24} {one.score:.2f}   {votes}")


@db_commands.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest migration."""
    from kadesk.database import Database
    from kadesk.folder import make_folder
    from kadesk.migrate import upgrade

    async def run() -> None:
        settings = read_settings()
        make_folder(settings.data.dir)
        database = Database(settings.database_url)
        before, after = await upgrade(database)
        await database.close()
        out.print(f"At {after} already." if before == after else f"Upgraded from {before or 'nothing'} to {after}.")

    loop.run(run())


@db_commands.command("revision")
def db_revision(message: Annotated[str, typer.Argument(help="Why the tables change.")]) -> None:
    """Draft the migration for changed tables; read it before you commit it."""
    from kadesk.migrate import draft

    out.print(f"Wrote {draft(message)}; read it, it is a draft.")


@app.command()
def bench(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of the modules in benchmarks/.")],
    as_json: AsJson = False,
    tickets: Annotated[int | None, typer.Option(help="How many tickets the benchmark fills in.")] = None,
) -> None:
    """Measure a part against its floor, both in this run."""
    from kadesk.bench import measure, print_result

    result = measure(name, tickets)
    if as_json:
        print_json(result, indent=None)
    else:
        print_result(result)


@app.command("check-settings")
def check_settings(path: Annotated[Path | None, typer.Argument(help="Another settings file.")] = None) -> None:
    """Say what is wrong with the settings, or that nothing is."""
    Settings.load(path)
    out.print("The settings are good.")


@app.command()
def version() -> None:
    """The version of this Kadesk."""
    out.print(installed_version("kadesk"))
