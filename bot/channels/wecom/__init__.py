"""企业微信's 微信客服 for buyers, one account. All that is its own stops here: limits, errors and shapes."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.bell import Bell
from bot.channels.port import Accept, Inbound, Kind, Update
from bot.channels.wecom import reading
from bot.channels.wecom.feed import FeedReader, keep
from bot.channels.wecom.sending import contents
from bot.channels.weixin.api import Api, Tokens
from bot.channels.weixin.media import bringing
from bot.errors import DeliveryError, Refused, WrongState
from bot.faults import place_of
from bot.tables import Feed
from bot.transactions import Transactions
from tickets import outbox
from tickets.reply_windows import Allowance
from tickets.tables import Message, Outgoing

log = logging.getLogger(__name__)

READ_EVERY = 300.0  # seconds between looks that nobody called for: a lost callback costs no more
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds between tries while the platform is away
WELCOME = timedelta(seconds=20)  # in which a code lets us greet
AFTER_A_WORD = Allowance(timedelta(hours=48), 5)
WITH_THE_BOT = 1  # the state of a session in which the interface may send


class WeCom:
    """The channel `wecom`: one account, which the platform calls `open_kfid`."""

    name = "wecom"

    def __init__(
        self, open_kfid: str, api: Api, tokens: Tokens, database: Transactions, clock: Callable[[], datetime]
    ) -> None:
        self.account = open_kfid
        self._api, self._tokens = api, tokens
        self._database = database
        self._clock = clock
        self.fetch = bringing(api, tokens).fetch
        self._bell = Bell()
        self._feed = FeedReader(database, clock, api, tokens, self.name, open_kfid, self._follow)

    # Receiving

    def call(self, word: str) -> None:
        """A callback says that there is something to fetch."""
        self._feed.note(word)
        self._bell.ring()

    async def run(self, accept: Accept) -> None:
        """Fetch until cancelled: at once, when called, and now and then."""
        wait = FIRST_WAIT
        while True:
            try:
                await self.look(accept)
                wait = FIRST_WAIT
                await self._bell.wait(READ_EVERY)
            except Exception as error:
                log.warning("wecom %s: nothing was fetched (%s)", self.account, place_of(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)

    async def look(self, accept: Accept) -> int:
        """Fetch all that is new; how many messages that were. Raises `DeliveryError`."""
        return await self._feed.read_all(accept)

    def read(self, update: Update) -> Inbound:
        return reading.read(update)

    def allowance_after(self, inbound: Inbound) -> Allowance | None:
        """What may be sent after this; None: nothing new."""
        return AFTER_A_WORD if inbound.message_id and inbound.kind != Kind.WITHDRAWN else None

    async def _follow(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """What a page tells besides buyers' words: a code to greet with, a message that did not arrive after all."""
        async with self._database.writing() as session:
            for one in messages:
                if code := reading.welcome_code(one):
                    name = f"welcome {reading.address_of(one)}"
                    await keep(session, reading.instant_of(one), self.name, self.account, name, code)
                if (failure := reading.failed(one)) is not None:
                    number, reason = failure
                    outgoing_id = _outgoing_of(number)
                    if outgoing_id is not None:
                        await outbox.take_back(session, self._clock(), outgoing_id, number, f"fail_type {reason}")

    # Sending

    async def deliver_free(self, outgoing: Outgoing, message: Message) -> str | None:
        """Say it as the greeting of who opened the conversation a moment ago."""
        said = contents(message.text, message.buttons)
        number = _number(outgoing, message, 0)
        return number if len(said) == 1 and await self._greet(outgoing.address, {"msgid": number} | said[0]) else None

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Our own id of each message makes the platform take a repeat for what it is."""
        number = ""
        for part, content in enumerate(contents(message.text, message.buttons)):
            number = _number(outgoing, message, part)
            receiver = {"touser": outgoing.address, "open_kfid": self.account, "msgid": number}
            await self._send(receiver | content)
        return number

    def cost(self, message: Message) -> int:
        """How many messages of the allowance it takes."""
        return len(contents(message.text, message.buttons))

    async def _send(self, body: dict[str, Any]) -> None:
        try:
            await self._api.call(self._tokens, "/cgi-bin/kf/send_msg", body)
        except WrongState:
            if not await self._take_over(body["touser"]):
                raise
            await self._api.call(self._tokens, "/cgi-bin/kf/send_msg", body)

    async def _take_over(self, address: str) -> bool:
        """Put the session into the state in which the interface may send, unless a person has it in 企业微信."""
        who = {"open_kfid": self.account, "external_userid": address}
        try:
            state = await self._api.call(self._tokens, "/cgi-bin/kf/service_state/get", who)
            if state.get("service_state") not in (0, 2, 4):
                return False
            await self._api.call(self._tokens, "/cgi-bin/kf/service_state/trans", who | {"service_state": WITH_THE_BOT})
        except DeliveryError:
            return False
        return True

    async def _greet(self, address: str, content: dict[str, Any]) -> bool:
        """Whether there was a code for it, good once and for a moment, and the platform took it."""
        async with self._database.writing() as session:
            row = await session.get(Feed, (self.name, self.account, f"welcome {address}"))
            if row is None:
                return False
            await session.delete(row)  # it is good once
            code, given_at = row.cursor, row.read_at
        if self._clock() - given_at > WELCOME:
            return False
        try:
            await self._api.call(self._tokens, "/cgi-bin/kf/send_msg_on_event", {"code": code} | content)
        except Refused:
            return False
        return True


def _number(outgoing: Outgoing, message: Message, part: int) -> str:
    """The platform's id of a message; another one when more was said in it."""
    said = hashlib.sha256(message.text.encode(errors="replace")).hexdigest()[:6]
    return f"k-{outgoing.id}-{part}-{said}"


def _outgoing_of(number: str) -> int | None:
    """Which message of the outbox an id of ours stands for."""
    parts = number.split("-")
    return int(parts[1]) if len(parts) == 4 and parts[0] == "k" and parts[1].isdecimal() else None
