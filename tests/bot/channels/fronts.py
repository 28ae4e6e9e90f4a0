"""One buyer on any channel, over its real adapter; the far end of a foreign one is a stand-in."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import httpx
from fastapi import APIRouter, FastAPI

from bot.channels.noting import Note, unheard
from bot.channels.telegram import Telegram
from bot.channels.web import WebChat
from bot.channels.wechat import WeChat
from bot.channels.wecom import WeCom, door
from bot.channels.weixin.access import AccessTokens
from bot.channels.weixin.api import Api
from bot.channels.weixin.door import Gate, Nonces
from bot.channels.weixin.quota import Quota, Terms
from bot.fakes import wecom as fake_wecom
from bot.fakes import weixin as fake_weixin
from bot.fakes.buyer import Buyer, TelegramFront, WebFront
from bot.fakes.telegram import TOKEN, FakeTelegram, serving
from bot.fakes.tencent import serving as serving_tencent
from bot.fakes.wechat_front import WeChatFront, WeComFront
from tests.bot.conftest import House


@asynccontextmanager
async def buyer_on(channel: str, house: House) -> AsyncIterator[Buyer]:
    """`channel` is "terminal", "web", "telegram", "wechat" or "wecom"."""
    if channel == "terminal":
        yield house.buyer()
    elif channel == "web":
        web = WebChat(house.database, house.door.accept, house.phrases, house.clock, links=house.claims.links)
        app = FastAPI()
        app.include_router(web.router)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kadesk.test") as client:
            yield Buyer(WebFront(client, web), house.settle(web))
    elif channel == "wechat":
        async with serving_weixin(house) as fake:
            wechat = open_wechat(house, fake)
            yield Buyer(WeChatFront(fake, wechat), house.settle(wechat))
            await wechat.close()
    elif channel == "wecom":
        async with serving_wecom(house) as company, open_wecom(house, company) as (wecom, *_):

            async def read() -> None:
                await wecom.look(house.door.accept)

            yield Buyer(WeComFront(company, wecom, read), house.settle(wecom))
    else:
        async with serving(FakeTelegram()) as fake:
            telegram = Telegram(TOKEN, fake.base)

            async def look() -> None:
                await telegram.look(house.door.accept, None)

            yield Buyer(TelegramFront(fake, telegram, look), house.settle(telegram))
            await telegram._bot.session.close()


def serving_weixin(house: House) -> AbstractAsyncContextManager[fake_weixin.FakeWeixin]:
    """The stand-in for WeChat's platform, by the clock of the house."""
    return serving_tencent(fake_weixin.FakeWeixin(clock=lambda: house.clock().timestamp()))


def serving_wecom(house: House, *accounts: str) -> AbstractAsyncContextManager[fake_wecom.FakeWeCom]:
    """The stand-in for 企业微信's, likewise; with one account if none is named."""
    named = accounts or (fake_wecom.OPEN_KFID,)
    return serving_tencent(fake_wecom.FakeWeCom(clock=lambda: house.clock().timestamp(), accounts=named))


def open_wechat(house: House, fake: fake_weixin.FakeWeixin, patience: float = 0, *, note: Note = unheard) -> WeChat:
    """A 公众号 whose platform is the stand-in."""
    api = Api(fake.base, Quota(house.database, house.clock, "wechat", fake_weixin.APP_ID, Terms()))

    async def ask(is_refused: bool) -> tuple[str, timedelta]:
        body = {"appid": fake_weixin.APP_ID, "secret": fake_weixin.SECRET, "force_refresh": is_refused}
        answer = await api.ask("POST", "/cgi-bin/stable_token", json=body)
        return answer["access_token"], timedelta(seconds=answer["expires_in"])

    tokens = AccessTokens(house.database, house.vault, house.clock, "wechat", fake_weixin.APP_ID, ask)
    gate = Gate(fake.envelope, Nonces())
    wechat = WeChat(fake_weixin.APP_ID, gate, api, tokens, house.clock, patience=timedelta(seconds=patience), note=note)
    fake.client, fake.url = calling(wechat.router(house.door.accept)), f"/wechat/{fake_weixin.APP_ID}"
    return wechat


@asynccontextmanager
async def open_wecom(house: House, fake: fake_wecom.FakeWeCom) -> AsyncIterator[list[WeCom]]:
    """The accounts of a 微信客服 whose platform is the stand-in."""
    quota = Quota(house.database, house.clock, "wecom", fake_wecom.CORP_ID, Terms(pause=timedelta(minutes=1)))
    api = Api(fake.base, quota)

    async def ask(is_refused: bool) -> tuple[str, timedelta]:
        secrets = {"corpid": fake_wecom.CORP_ID, "corpsecret": fake_weixin.SECRET}
        answer = await api.ask("GET", "/cgi-bin/gettoken", params=secrets)
        return answer["access_token"], timedelta(seconds=answer["expires_in"])

    tokens = AccessTokens(house.database, house.vault, house.clock, "wecom", fake_wecom.CORP_ID, ask)
    accounts = [
        WeCom(account, api, tokens, house.database, house.clock, house.desk.take_back_message)
        for account in fake.accounts
    ]
    gate = Gate(fake.envelope, Nonces())
    fake.client = calling(door.router(fake_wecom.CORP_ID, gate, accounts, house.clock))
    fake.url = f"/wecom/{fake_wecom.CORP_ID}"
    yield accounts
    await api.close()


def calling(router: APIRouter) -> httpx.AsyncClient:
    """What a platform calls this door with."""
    app = FastAPI()
    app.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kadesk.test")
