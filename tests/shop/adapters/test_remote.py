"""Shops over HTTP: what is tried again, what is cut off, and that nothing of theirs is told on."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import structlog

from kadesk.logs import set_up_logs
from kadesk.settings import SHIPPED, Settings
from shop.adapters.remote import LARGEST, Door, Heard, ShopSite, Wire
from shop.errors import BadCredentials, BadShopSite, ShopDown, StrangeAnswer
from tests.shop.adapters.sites import Mood, Site, answers, any_site, breaks_off, hangs_up, says_nothing

SECRET = "7K2Q9-XPLM4-TRWE3"
AWAY = answers(status=503)


class Hello(Wire):
    message: str
    count: int = 1


@pytest.fixture
async def site() -> Site:
    any_site().forget()
    return any_site()


@pytest.fixture
async def shop(site: Site) -> AsyncIterator[ShopSite]:
    shop = ShopSite("demo", site.url, seconds=5)
    yield shop
    await shop.close()


@pytest.mark.parametrize("mood", [hangs_up, breaks_off, AWAY], ids=["no answer", "half an answer", "away"])
async def test_a_read_is_tried_once_more_and_a_write_never(shop: ShopSite, site: Site, mood: Mood) -> None:
    site.moods.append(mood)
    heard = await shop.read("GET", "/")
    site.moods.append(mood)
    with pytest.raises(ShopDown):
        await shop.write("POST", "/")
    site.moods.extend([mood, mood])
    with pytest.raises(ShopDown):
        await shop.read("GET", "/")

    assert heard.as_a(Hello, heard.json()).message == "hello"
    assert [asked.method for asked in site.asked] == ["GET", "GET", "POST", "GET", "GET"]


async def test_a_shop_that_says_nothing_is_not_waited_for_twice(site: Site) -> None:
    shop = ShopSite("demo", site.url, seconds=0.1)
    site.moods.append(says_nothing)

    with pytest.raises(ShopDown):
        await shop.read("GET", "/")
    await shop.close()

    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("mood", "problem"),
    [
        (answers(), "no JSON, with status 200"),
        (answers("[" * 100_000), "no JSON, with status 200"),
        (answers({"note": SECRET}), "not as known: message"),
        (answers([SECRET]), "not as known: all"),
        (answers({"message": "hi", "count": SECRET}), "not as known: count"),
        (answers("x" * (LARGEST + 1)), "more than 2,000,000 bytes"),
        (answers(status=302, Location="http://127.0.0.1:1/" + SECRET), "it sends us elsewhere"),
        (answers("x", Content_Encoding="gzip"), "packed, though asked not to"),
    ],
)
async def test_a_strange_answer_is_named_and_not_shown(shop: ShopSite, site: Site, mood: Mood, problem: str) -> None:
    site.moods.append(mood)

    with pytest.raises(StrangeAnswer, match=problem) as error:
        (heard := await shop.read("GET", "/")).as_a(Hello, heard.json())

    assert SECRET not in f"{error.value!s} {error.value!r}"
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert len(site.asked) == 1


async def test_nobody_writes_down_what_a_shop_is_asked_or_answers(
    shop: ShopSite, site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setenv("KADESK_LOG__LEVEL", "debug")
    site.moods.append(answers({"message": SECRET}, Authorization="Bearer " + SECRET))
    try:
        set_up_logs(Settings.load(SHIPPED))
        root.addHandler(caplog.handler)
        await shop.read("GET", f"/{SECRET}", headers={"Authorization": SECRET}, params={"password": SECRET})
        logging.getLogger("shop").debug("written down")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()

    assert "written down" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "url",
    ["", "shop", "ftp://shop.example.com", "http://shop.example.com", "https://a:b@shop.example.com", "https://x/?a=1"],
)
async def test_an_address_that_sends_secrets_in_clear_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadShopSite):
        ShopSite("demo", url)


@pytest.mark.parametrize(
    "url", ["https://shop.example.com/api/", "http://10.0.0.7:8080", "http://shop", "http://[::1]"]
)
async def test_an_address_of_the_own_network_may_go_without_tls(url: str) -> None:
    await ShopSite("demo", url).close()


async def test_a_token_is_renewed_once_and_a_closed_door_is_not_knocked_at_again() -> None:
    tokens = iter(["old", "new", "worse"])
    signed_in = []

    async def sign_in() -> str:
        if (token := next(tokens, "")) == "":
            raise BadCredentials(shop="demo", problem="401")
        signed_in.append(token)
        return token

    async def ask(token: str) -> Heard:
        return Heard("demo", 200 if token == "new" else 401, {}, token.encode())

    door = Door("demo", sign_in)
    heard = [await door.enter(ask, lambda heard: heard.status == 401) for _ in range(2)]
    with pytest.raises(BadCredentials):
        await door.enter(ask, lambda heard: True)
    with pytest.raises(BadCredentials):
        await door.enter(ask, lambda heard: True)
    with pytest.raises(BadCredentials, match="a moment ago"):
        await door.enter(ask, lambda heard: True)

    assert [one.body for one in heard] == [b"new", b"new"]
    assert signed_in == ["old", "new", "worse"]


async def test_who_comes_at_once_signs_in_once() -> None:
    signed_in = []

    async def sign_in() -> str:
        await asyncio.sleep(0)
        signed_in.append("")
        return "token"

    async def ask(token: str) -> Heard:
        return Heard("demo", 200, {}, token.encode())

    door = Door("demo", sign_in)
    heard = await asyncio.gather(*(door.enter(ask, lambda heard: heard.status == 401) for _ in range(5)))

    assert [one.body for one in heard] == [b"token"] * 5
    assert len(signed_in) == 1
