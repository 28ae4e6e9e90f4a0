"""A buyer who talks to Kadesk through any channel, from the channel's own side: `say`, `press`, `last_reply`."""

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.channels.port import Accept, Channel
from bot.channels.terminal import Terminal
from bot.fakes.people import PIXELS
from bot.fakes.telegram import FakeTelegram

UNSEEN = "[图片]"  # a picture at a terminal


@dataclass(frozen=True)
class Reply:
    """What the buyer sees of one message."""

    text: str
    buttons: Mapping[str, Any] = field(default_factory=dict)  # label → how this channel presses it
    pictures: int = 0


class Front(Protocol):
    """A channel as the buyer holds it in the hand."""

    channel: Channel

    async def open(self, payload: str = "") -> None:
        """Start the conversation, perhaps by a link that carries this."""

    async def say(self, text: str) -> None: ...

    async def photo(self, caption: str = "") -> None: ...

    async def album(self, count: int, caption: str = "") -> None: ...

    async def edit(self, text: str) -> None:
        """Change the words that were said last."""

    async def press(self, button: Any) -> None: ...

    async def received(self) -> list[Reply]:
        """Everything that was shown so far, oldest first."""


class CannotDo(Exception):
    """No buyer can do this on this channel."""


class Buyer:
    """Says, presses, and reads what comes back. `settle` lets Kadesk do its work."""

    def __init__(self, front: Front, settle: Callable[[], Awaitable[object]]) -> None:
        self._front = front
        self._settle = settle
        self._seen = 0

    async def start(self, payload: str = "") -> str:
        return await self._act(self._front.open(payload))

    async def say(self, text: str) -> str:
        """Type a message; what Kadesk answers, all of it."""
        return await self._act(self._front.say(text))

    async def photo(self, caption: str = "") -> str:
        return await self._act(self._front.photo(caption))

    async def album(self, count: int, caption: str = "") -> str:
        """Several photos at once; where a channel has no albums, one after the other."""
        return await self._act(self._front.album(count, caption))

    async def edit(self, text: str) -> str:
        """Change what was said last. Raises CannotDo where a channel lets nobody do so."""
        return await self._act(self._front.edit(text))

    async def press(self, label: str) -> str:
        """Press the last button whose label contains `label`."""
        replies = await self._front.received()
        buttons = [button for reply in replies for name, button in reply.buttons.items() if label in name]
        assert buttons, f"no button {label!r}; there are {await self.buttons()}"
        return await self._act(self._front.press(buttons[-1]))

    async def replies(self) -> list[Reply]:
        """All that was shown so far, oldest first."""
        return await self._front.received()

    async def last_reply(self) -> Reply:
        return (await self.replies())[-1]

    async def buttons(self) -> list[str]:
        """The labels under the last message."""
        replies = await self.replies()
        return list(replies[-1].buttons) if replies else []

    async def news(self) -> str:
        """What came since the last look, without saying anything."""
        await self._settle()
        replies = await self._front.received()
        fresh, self._seen = replies[self._seen :], len(replies)
        return "\n".join(reply.text for reply in fresh)

    async def _act(self, action: Awaitable[None]) -> str:
        await action
        return await self.news()


class TerminalFront:
    """The terminal channel, with a list for a screen."""

    def __init__(self, name: str, accept: Accept, clock: Callable[[], Any]) -> None:
        self.screen: list[str] = []
        self.channel = Terminal(name, self.screen.append, clock, unseen=UNSEEN)
        self._accept = accept

    async def open(self, payload: str = "") -> None:
        assert not payload, "nothing links to a terminal"
        await self._accept(self.channel.type(""))

    async def say(self, text: str) -> None:
        await self._accept(self.channel.type(text))

    async def photo(self, caption: str = "") -> None:
        raise CannotDo("a terminal sends no photos")

    async def album(self, count: int, caption: str = "") -> None:
        raise CannotDo("a terminal sends no photos")

    async def edit(self, text: str) -> None:
        raise CannotDo("a line is gone when it was typed")

    async def press(self, button: str) -> None:
        await self._accept(self.channel.type(button))

    async def received(self) -> list[Reply]:
        replies: list[Reply] = []
        for line in self.screen:
            if line.startswith("[1] "):
                labels = [part.partition("] ") for part in line.split("  ")]
                buttons = {label: number.lstrip("[") for number, _, label in labels}
                # Only the newest buttons can be pressed here: they are numbers.
                replies = [*(Reply(reply.text) for reply in replies[:-1]), Reply(replies[-1].text, buttons)]
            else:
                replies.append(Reply(line, pictures=int(line == UNSEEN)))
        return replies


class TelegramFront:
    """A buyer's Telegram, against the fake Bot API. `look` is one poll of the adapter."""

    def __init__(
        self, fake: FakeTelegram, channel: Any, look: Callable[[], Awaitable[object]], chat_id: int = 42
    ) -> None:
        self.fake = fake
        self.channel = channel
        self.chat_id = chat_id
        self._look = look
        self._last = 0  # the message that was sent last

    async def open(self, payload: str = "") -> None:
        await self.say(f"/start {payload}".strip())

    async def say(self, text: str) -> None:
        self._last = self.fake.say(self.chat_id, text)["message"]["message_id"]
        await self._look()

    async def photo(self, caption: str = "") -> None:
        self._last = self.fake.photo(self.chat_id, caption=caption)["message"]["message_id"]
        await self._look()

    async def album(self, count: int, caption: str = "") -> None:
        self._last = self.fake.album(self.chat_id, [PIXELS] * count, caption)[0]["message"]["message_id"]
        await self._look()

    async def edit(self, text: str) -> None:
        self.fake.edit(self.chat_id, self._last, text)
        await self._look()

    async def press(self, button: str) -> None:
        self.fake.press(self.chat_id, button)
        await self._look()

    async def received(self) -> list[Reply]:
        return [
            Reply(sent.text, _keys(sent.buttons), int(sent.method in ("sendPhoto", "sendMediaGroup")))
            for sent in self.fake.sent
            if sent.chat_id == self.chat_id and not sent.is_deleted
        ]


def _keys(buttons: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {one["text"]: one["callback_data"] for one in buttons if "callback_data" in one}


class OneByOne:
    """A channel without albums: its pictures come one after the other, the words with the first."""

    async def photo(self, caption: str = "") -> None:
        raise NotImplementedError

    async def album(self, count: int, caption: str = "") -> None:
        for number in range(count):
            await self.photo("" if number else caption)


class WebFront(OneByOne):
    """The chat page's script: posts, and reads its history."""

    def __init__(self, client: Any, channel: Channel) -> None:
        self.client = client
        self.channel = channel
        self._ids = (f"m{number}" for number in itertools.count(1))

    async def open(self, payload: str = "") -> None:
        await self.client.get("/chat/api/history")
        await self._post(start=True, **({"text": payload} if payload else {}))

    async def say(self, text: str) -> None:
        await self._post(text=text)

    async def photo(self, caption: str = "") -> None:
        """The page sends the words beside it, as a message of their own."""
        headers = {"content-type": "image/png"}
        address = f"/chat/api/pictures?id={next(self._ids)}&language=zh"
        answer = await self.client.post(address, content=PIXELS, headers=headers)
        assert answer.status_code == 202, answer.text
        if caption:
            await self.say(caption)

    async def edit(self, text: str) -> None:
        raise CannotDo("the page takes nothing back")

    async def press(self, button: str) -> None:
        await self._post(handle=button)

    async def received(self) -> list[Reply]:
        answer = await self.client.get("/chat/api/history")
        return [
            Reply(
                message["text"],
                {button["text"]: button["handle"] for button in message["buttons"]},
                sum("picture" in one for one in message["attachments"]),
            )
            for message in answer.json()["messages"]
            if message["author"] != "buyer"
        ]

    async def _post(self, **body: Any) -> None:
        answer = await self.client.post("/chat/api/messages", json={"id": next(self._ids)} | body)
        assert answer.status_code == 202, answer.text
