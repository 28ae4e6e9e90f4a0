"""Canaries: codes and passwords that are sold and typed, and then looked for in every file that is left behind."""

import re
import secrets
from pathlib import Path
from random import Random

import pytest
from sqlmodel import select

from bot.channels.terminal import Terminal
from bot.fakes.buyer import Buyer, TerminalFront
from kadesk.logs import set_up_logs
from kadesk.settings import SHIPPED, Settings
from kadesk.wiring import Kadesk, clock, wire
from shop.demo import DemoOrder, create_demo_shop
from shop.tables import Code
from tests.stories.family import share_cache
from tickets.staff import add_agent
from tickets.tables import Message, Role, Ticket

CANARIES = 50
PASSWORD = "correct horse battery"


@pytest.fixture
async def orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, matcher_cache: Path
) -> tuple[Kadesk, list[DemoOrder]]:
    share_cache(tmp_path / "data", matcher_cache)
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KADESK_FAQ__ENCODER", "false")
    monkeypatch.setenv("KADESK_LOG__LEVEL", "debug")
    settings = Settings.load(SHIPPED)
    set_up_logs(settings)
    kadesk = await wire(settings)
    async with kadesk.database.writing() as session:
        shop = await create_demo_shop(session, clock(), kadesk.vault, Random(secrets.randbits(64)))
        await add_agent(session, clock(), "lin", "小林", Role.AGENT, PASSWORD)
    return kadesk, [order for order in shop.orders if len(order.codes) == 1][:CANARIES]


def talk(kadesk: Kadesk, name: str) -> Buyer:
    front = TerminalFront(name, kadesk.door.accept, clock)
    channel: Terminal = front.channel
    inbox, delivery = kadesk.inbox([channel]), kadesk.delivery([channel])

    async def work() -> None:
        await inbox.drain()
        await delivery.drain()

    return Buyer(front, work)


async def test_no_code_or_password_is_left_in_clear(
    orders: tuple[Kadesk, list[DemoOrder]], capfd: pytest.CaptureFixture[str]
) -> None:
    kadesk, sold = orders
    canaries: list[str] = []
    for number, order in enumerate(sold[:12]):
        (code,) = order.codes
        canaries += [code, order.query_password]
        buyer = talk(kadesk, f"buyer{number}")
        await buyer.say(f"我的卡密 {code} 用不了")  # at once, in a sentence
        await buyer.say("卡密用不了")
        await buyer.say(order.order_no)
        await buyer.say(order.query_password)
        await buyer.say(code)  # where it is asked for
        await buyer.say("提示已被使用")
        await buyer.say("转人工")
        await buyer.say(f"{code}!! 还是不行")  # to a person
    async with kadesk.database.reading() as session:
        assert (await session.exec(select(Ticket))).all()
        assert (await session.exec(select(Message))).all()
    await kadesk.database.close()

    left = {path: path.read_bytes() for path in kadesk.settings.data.dir.rglob("*") if path.is_file()}
    printed = capfd.readouterr().err

    assert any(path.name == "kadesk.db" for path in left)
    assert len(canaries) >= 24
    for canary in canaries:
        for form in (canary, canary.replace("-", ""), canary.lower()):
            holders = [path.name for path, content in left.items() if form.encode() in content]
            assert holders == [], canary[-4:]
            assert form not in printed


async def test_the_search_would_find_one(orders: tuple[Kadesk, list[DemoOrder]]) -> None:
    """The twin: a code that does stand in clear is found in the database's files."""
    kadesk, sold = orders
    (code,) = sold[0].codes
    async with kadesk.database.writing() as session:
        (row,) = (await session.exec(select(Code).limit(1))).all()
        row.masked = code
    await kadesk.database.close()

    found = [
        path for path in kadesk.settings.data.dir.rglob("*") if path.is_file() and code.encode() in path.read_bytes()
    ]

    assert found
    assert re.fullmatch(r"kadesk\.db.*", found[0].name)
