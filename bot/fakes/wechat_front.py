"""WeChat as `bot.fakes.buyer.Buyer` holds it in the hand: a 公众号, and a 微信客服."""

from collections.abc import Awaitable, Callable
from typing import Any

from bot.fakes.buyer import CannotDo, OneByOne, Reply
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from bot.fakes.weixin import FakeWeixin


class WeChatFront(OneByOne):
    """A buyer's WeChat, against the stand-in for the platform."""

    def __init__(self, fake: FakeWeixin, channel: Any, follower: str = "oBuyer_0001") -> None:
        self.fake = fake
        self.channel = channel
        self.follower = follower

    async def open(self, payload: str = "") -> None:
        await self.fake.follow(self.follower, payload)

    async def say(self, text: str) -> None:
        await self.fake.say(self.follower, text)

    async def photo(self, caption: str = "") -> None:
        """A picture has no words here: they are a message of their own."""
        await self.fake.photo(self.follower)
        if caption:
            await self.say(caption)

    async def edit(self, text: str) -> None:
        raise CannotDo("WeChat lets nobody change what was said")

    async def press(self, button: str) -> None:
        await self.fake.press(self.follower, button)

    async def received(self) -> list[Reply]:
        return [Reply(one.text, one.menu, bool(one.picture)) for one in self.fake.shown[self.follower]]


class WeComFront(OneByOne):
    """A buyer at a 微信客服, against the stand-in for 企业微信. `look` is one reading of the feed."""

    def __init__(
        self,
        fake: FakeWeCom,
        channel: Any,
        look: Callable[[], Awaitable[object]],
        buyer: str = "wmBuyer_0001",
        account: str = OPEN_KFID,
    ) -> None:
        self.fake = fake
        self.channel = channel
        self.buyer, self.account = buyer, account
        self._look = look

    async def open(self, payload: str = "") -> None:
        await self.fake.enter(self.buyer, payload, self.account)
        await self._look()

    async def say(self, text: str) -> None:
        await self.fake.say(self.buyer, text, self.account)
        await self._look()

    async def photo(self, caption: str = "") -> None:
        """A picture has no words here: they are a message of their own."""
        await self.fake.photo(self.buyer, account=self.account)
        await (self.say(caption) if caption else self._look())

    async def edit(self, text: str) -> None:
        raise CannotDo("WeChat lets nobody change what was said")

    async def press(self, button: str) -> None:
        await self.fake.press(self.buyer, button, account=self.account)
        await self._look()

    async def received(self) -> list[Reply]:
        shown = self.fake.sessions[self.account, self.buyer].shown
        return [Reply(one.text, one.menu, bool(one.picture)) for one in shown]
