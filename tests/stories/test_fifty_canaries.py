"""Fifty codes typed in every form into every door of one install; then all that it wrote or showed is searched."""

import asyncio
import base64
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from bot.channels.web import WebChat
from kadesk.cli import app as command_line
from kadesk.errors import SettingsError
from kadesk.event_door import EventDoor
from kadesk.jobs import jobs
from kadesk.settings import SHIPPED, Settings
from kadesk.shops import choose_events
from kadesk.web import create_app
from kadesk.wiring import Kadesk, clock
from shop.demo import DemoOrder
from shop.masking import normalise_code
from tests.console.conftest import ORIGIN, Visitor
from tests.stories.test_canary import CANARIES, PASSWORD, orders, talk  # noqa: F401  # a fixture
from tickets.staff import add_agent
from tickets.tables import Role

FULL_WIDTH = {number: number + 0xFEE0 for number in range(0x21, 0x7F)}
Typing = Callable[[str], str]
# How people write a code down.
TYPINGS: Mapping[str, Typing] = {
    "as it is": str,
    "small letters": str.lower,
    "without dashes": lambda code: code.replace("-", ""),
    "small and without dashes": lambda code: code.replace("-", "").lower(),
    "with spaces": lambda code: code.replace("----", " ").replace("-", " "),
    "full width": lambda code: code.translate(FULL_WIDTH),
    "long dashes": lambda code: code.replace("-", "—"),
    "two lines": lambda code: code.replace("----", "\n"),
    "in a sentence": lambda code: f"我买的卡密{code}提示已被使用，请换一个",
    "under its name": lambda code: f"卡号：{code.replace('----', ' 密码：')}",
    "in the name of a picture": lambda code: f"[图片] IMG_{code}.png",
    "in an error": lambda code: f"Error 0x803F7001: the key {code} is not valid for this product.",
    "in quotes": lambda code: f"“{code}”",
}


def needles(code: str) -> Iterable[bytes]:
    """A code in all the ways in which it could stand somewhere."""
    parts = [part for part in code.split("----") if len(part) >= 12 or "----" not in code]
    for text in {code, *parts}:
        plain = normalise_code(text)
        forms = {text, plain, text.replace("-", " "), text.replace("-", "—"), text.translate(FULL_WIDTH)}
        forms.add(text.lower().translate(FULL_WIDTH))
        for form in forms:
            yield from (written.encode() for written in (form, quote(form), json.dumps(form)[1:-1]))
        for form in (text, plain):
            # The middle of it, wherever in its text it began.
            yield from (base64.b64encode(b" " * shift + form.encode())[4:-4] for shift in range(3))


def holders(codes: Iterable[str], places: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Where which codes stand, by their tails; in small letters or large ones."""
    found: dict[str, list[str]] = {}
    folded = {name: content.lower() for name, content in places.items()}
    for code in codes:
        forms = {form.lower() for form in needles(code)}
        if there := [name for name, content in folded.items() if any(form in content for form in forms)]:
            found[f"{len(code)} signs ending in {code[-2:]}"] = there
    return found


async def in_chat(kadesk: Kadesk, sold: list[DemoOrder]) -> None:
    ways = list(TYPINGS.values())
    for number, order in enumerate(sold):
        (code,) = order.codes
        buyer = talk(kadesk, f"buyer{number}")
        await buyer.say(ways[number % len(ways)](code))
        if number % 5 == 0:  # the longer way
            for words in ("卡密用不了", code, order.order_no, order.query_password, code, "提示已被使用"):
                await buyer.say(words)
        await buyer.say(f"转人工 {ways[(number + 7) % len(ways)](code)}")


async def in_console(kadesk: Kadesk, browser: Visitor, sold: list[DemoOrder]) -> dict[str, bytes]:
    """What staff type where; the pages that come back, but for the form that holds what was refused."""
    await browser.sign_in("wang", PASSWORD)
    page = await browser.get("/console/")
    numbers = sorted(set(re.findall(r"K-\d{6}", page.text)))
    assert numbers
    ways = list(TYPINGS.values())
    for number, order in enumerate(sold[::2]):
        text, ticket = ways[number % len(ways)](order.codes[0]), numbers[number % len(numbers)]
        for verb, form in (("note", "text"), ("reply", "text"), ("link", "other"), ("tag", "tags")):
            await browser.submit(f"/console/tickets/{ticket}/{verb}", **{form: text})
        await browser.submit("/console/codes/find", code=text)
    shown = {}
    code = sold[0].codes[0]
    pages = ("", "tickets", "reports", "suppliers", "suppliers/export", "codes", "refunds", "batches", "breakers")
    lists = ("ticket/list", "buyer/list", "audit/list", "tags", "stranded", f"tickets/{code}", f"code/{code}")
    for path in (*pages, *lists, *(f"tickets/{number}" for number in numbers)):
        answer = await browser.get(f"/console/{path}")
        shown[f"page {path.replace(code, 'CODE')} {answer.status_code}"] = answer.content
    for table in ("ticket", "buyer", "audit"):  # a page of finds holds the words that were asked for, and says no more
        await browser.get(f"/console/{table}/list", params={"search": code})
    return shown


async def at_doors(kadesk: Kadesk, application: object, sold: list[DemoOrder]) -> dict[str, bytes]:
    """What strangers send; all answers."""
    shown = {}
    transport = httpx.ASGITransport(application)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        await client.get("/chat/api/history")
        for number, order in enumerate(sold[:10]):
            (code,) = order.codes
            body = {"id": f"m{number}", "text": f"{code} 无效"}
            shown[f"chat {number}"] = (await client.post("/chat/api/messages", json=body)).content
            event = {"event": "order.paid", "data": {"cards": order.codes, "note": code}}
            shown[f"event {number}"] = (await client.post("/shop/events/demo", json=event)).content
            shown[f"stray event {number}"] = (await client.post(f"/shop/events/{code}/{code}", json=event)).content
            for path in ("r", "chat/pictures", "nowhere"):
                shown[f"{path} {number}"] = (await client.get(f"/{path}/{code}")).content
            shown[f"start {number}"] = (await client.get("/chat", params={"start": code})).content
        shown["history"] = (await client.get("/chat/api/history")).content
        shown["metrics"] = (await client.get("/metrics", headers={"host": "127.0.0.1"})).content
        shown["health"] = (await client.get("/healthz")).content
    return shown


def by_commands(folder: Path, sold: list[DemoOrder]) -> None:
    """Files with bad lines, and words where none belong."""
    lines = ["product,code,cost", *(f"STEAM-CN-50,{order.codes[0]},1" for order in sold[:30])]
    lines += [f"NOTHING-LIKE-IT,{order.codes[0]},{order.codes[0]}" for order in sold[30:]]
    lines += ["STEAM-CN-50", f"STEAM-CN-50,{sold[0].codes[0]},1,2,{sold[1].codes[0]}"]
    (folder / "codes.csv").write_text("\n".join(lines))
    lines = [f"{order.codes[0]},STEAM-CN-50,{order.codes[0]},{order.codes[0]}" for order in sold]
    (folder / "orders.csv").write_text("\n".join(["order_no,product,status,codes", *lines]))
    for words in (
        ["shop", "import", "codes", str(folder / "codes.csv")],
        ["shop", "import", "codes", str(folder / "codes.csv"), "--dry-run", "--json"],
        ["shop", "import", "orders", str(folder / "orders.csv")],
        ["audit", "verify"],
        ["faq", "export", str(folder / "export.csv")],
    ):
        try:
            command_line(words, standalone_mode=False)
        except Exception as error:  # as the command's entry point, which prints it
            print(error)  # noqa: T201
    for name in ("codes.csv", "orders.csv"):
        (folder / name).unlink()


@pytest.mark.slow
async def test_fifty_codes_stand_nowhere_in_clear(
    orders: tuple[Kadesk, list[DemoOrder]],  # noqa: F811
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kadesk, sold = orders
    codes = [code for order in sold for code in order.codes]
    assert len(codes) == CANARIES
    async with kadesk.database.writing() as session:
        await add_agent(session, clock(), "wang", "老王", Role.MANAGER, PASSWORD)
    web = WebChat(kadesk.database, kadesk.door.accept, kadesk.phrases, clock, links=kadesk.claims.links)
    events = EventDoor(kadesk.database, clock, choose_events(kadesk.settings.shop))
    application = create_app(kadesk, [web.router, events.router])

    await in_chat(kadesk, sold)
    shown = await at_doors(kadesk, application, sold)
    await kadesk.inbox([web]).drain()
    async with Visitor(application, "zh", "192.0.2.1") as browser:
        shown |= await in_console(kadesk, browser, sold)
    await asyncio.to_thread(by_commands, tmp_path, sold)
    for number, code in enumerate(codes):
        with monkeypatch.context() as environment:
            environment.setenv(("KADESK_WEB__PORT", "KADESK_SLA__HANDLING", "KADESK_LOG__LEVEL")[number % 3], code)
            with pytest.raises(SettingsError) as refused:
                Settings.load(SHIPPED)
        shown[f"settings {number}"] = str(refused.value).encode()
    for job in jobs(kadesk):
        await job.work()
    backup = sqlite3.connect(tmp_path / "backup.db")
    with sqlite3.connect(kadesk.settings.data.dir / "kadesk.db") as source:
        source.backup(backup)
    backup.close()
    open_files = _files(tmp_path, "open")
    await kadesk.close()
    told = capfd.readouterr()
    left = shown | open_files | _files(tmp_path, "closed")
    left |= {"standard output": told.out.encode(), "standard error": told.err.encode()}

    assert {"open data/kadesk.db", "closed backup.db", "open data/kadesk.db-wal"} <= left.keys()
    assert holders(codes, left) == {}


def _files(folder: Path, when: str) -> dict[str, bytes]:
    cache = folder / "data" / "cache"
    files = (path for path in folder.rglob("*") if path.is_file() and cache not in path.parents)
    return {f"{when} {path.relative_to(folder)}": path.read_bytes() for path in files}


@pytest.mark.parametrize("typing", [*TYPINGS.values(), lambda code: base64.b64encode(code.encode()).decode()])
def test_a_code_in_any_form_would_be_found(typing: Typing) -> None:
    """The twin: the search sees what it is there for."""
    for code in ("AB3DE-FG4IJ-KL5MN", "QD83HFK29SLA02KD"):
        assert holders([code], {"here": typing(code).encode()})
