"""A buyer who talks to Kadesk through any channel, from the channel's own side: `say`, `press`, `last_reply`."""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.channels.port import Accept, Channel
from bot.channels.terminal import Terminal


@dataclass(frozen=True)
class Reply:
    """What the buyer sees of one message."""

    text: str
    buttons: Mapping[str, Any] = field(default_factory=dict)  # label → how this channel presses it


class Front(Protocol):
    """A channel as the buyer holds it in the hand."""

    channel: Channel

    async def open(self, payload: str = "") -> None:
        """Start the conversation, perhaps by a link that carries this."""

    async def say(self, text: str) -> None: ...

    async def photo(self, caption: str = "") -> None: ...

    async def press(self, button: Any) -> None: ...

    async def received(self) -> list[Reply]:
        """Everything that was shown so far, oldest first."""


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

    async def press(self, label: str) -> str:
        """Press the last button whose label contains `label`."""
        replies = await self._front.received()
        buttons = [button for reply in replies for name, button in reply.buttons.items() if label in name]
        assert buttons, f"no button {label!r}; there are {await self.buttons()}"
        return await self._act(self._front.press(buttons[-1]))

    async def last_reply(self) -> Reply:
        return (await self._front.received())[-1]

    async def buttons(self) -> list[str]:
        """The labels under the last message."""
        return list((await self.last_reply()).buttons)

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
        self.channel = Terminal(name, self.screen.append, clock)
        self._accept = accept

    async def open(self, payload: str = "") -> None:
        assert not payload, "nothing links to a terminal"
        await self._accept(self.channel.type(""))

    async def say(self, text: str) -> None:
        await self._accept(self.channel.type(text))

    async def photo(self, caption: str = "") -> None:
        raise NotImplementedError("a terminal sends no photos")

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
                replies.append(Reply(line))
        return replies


class TelegramFront:
    """A buyer's Telegram, against the fake Bot API. `look` is one poll of the adapter."""

    def __init__(self, fake: Any, channel: Any, look: Callable[[], Awaitable[object]], chat_id: int = 42) -> None:
        self.fake = fake
        self.channel = channel
        self.chat_id = chat_id
        self._look = look

    async def open(self, payload: str = "") -> None:
        self.fake.say(self.chat_id, f"/start {payload}".strip())
        await self._look()

    async def say(self, text: str) -> None:
        self.fake.say(self.chat_id, text)
        await self._look()

    async def photo(self, caption: str = "") -> None:
        sizes = [{"file_id": "small", "file_size": 900}, {"file_id": "large", "file_size": 90_000}]
        self.fake.send(self.chat_id, {"photo": sizes} | ({"caption": caption} if caption else {}))
        await self._look()

    async def press(self, button: str) -> None:
        self.fake.press(self.chat_id, button)
        await self._look()

    async def received(self) -> list[Reply]:
        return [
            Reply(sent.text, {button["text"]: button["callback_data"] for button in sent.buttons})
            for sent in self.fake.sent
            if sent.chat_id == self.chat_id
        ]


class WebFront:
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
        raise NotImplementedError("the page sends no photos yet")

    async def press(self, button: str) -> None:
        await self._post(handle=button)

    async def received(self) -> list[Reply]:
        answer = await self.client.get("/chat/api/history")
        return [
            Reply(message["text"], {button["text"]: button["handle"] for button in message["buttons"]})
            for message in answer.json()["messages"]
            if message["author"] != "buyer"
        ]

    async def _post(self, **body: Any) -> None:
        answer = await self.client.post("/chat/api/messages", json={"id": next(self._ids)} | body)
        assert answer.status_code == 202, answer.text
