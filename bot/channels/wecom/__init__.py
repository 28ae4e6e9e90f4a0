"""企业微信's 微信客服 for buyers, one account. All that is its own stops here: limits, errors and shapes."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from bot.bell import Bell
from bot.channels.noting import Note, unheard
from bot.channels.parts import lost
from bot.channels.port import Accept, Inbound, Kind, Photo, Update
from bot.channels.wecom import reading
from bot.channels.wecom.failures import TakeBack, heed
from bot.channels.wecom.feed import FeedReader, forget, keep
from bot.channels.wecom.numbers import number_of
from bot.channels.wecom.sending import AFTER_A_WORD, contents
from bot.channels.weixin.api import Api, Tokens
from bot.channels.weixin.errors import Repeated
from bot.channels.weixin.media import Say, bringing, send_next
from bot.channels.weixin.vigil import keep_vigil, sending
from bot.errors import Ambiguous, ChannelDown, DeliveryError, MediaGone, Refused, WindowClosed, WrongState
from bot.faults import place_of
from bot.gallery import numbers_of
from bot.tables import Feed
from bot.transactions import Transactions
from tickets.reply_windows import Allowance
from tickets.tables import Message, Outgoing

log = logging.getLogger(__name__)

READ_EVERY = 300.0  # seconds between looks that nobody called for: a lost callback costs no more
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds between tries while the platform is away
CODE = "welcome "  # before the address, in the name of what lets us greet somebody
NEW, WITH_THE_BOT, WAITING, ENDED = 0, 1, 2, 4  # states of a session; in the first two the interface may send


class WeCom:
    """The channel `wecom`: one account, which the platform calls `open_kfid`."""

    name = "wecom"

    def __init__(
        self,
        open_kfid: str,
        api: Api,
        tokens: Tokens,
        database: Transactions,
        clock: Callable[[], datetime],
        take_back: TakeBack,
        note: Note = unheard,
    ) -> None:
        self.account = open_kfid
        self._take_back = take_back
        self._is_early = False  # the platform told of messages whose sending is not yet written down
        self._api, self._tokens = api, tokens
        self._database = database
        self._clock = clock
        self.fetch = bringing(api, tokens).fetch
        self.note = note
        self._bell = Bell()
        self._feed = FeedReader(database, clock, api, tokens, self.name, open_kfid, self._keep_codes, self._heed, note)

    # Receiving

    def call(self, word: str) -> None:
        """A callback says that there is something to fetch."""
        self._feed.note(word)
        self._bell.ring()

    async def run(self, accept: Accept) -> None:
        """Fetch until cancelled: at once, when called, and now and then."""
        self.note(mode="feed")
        async with asyncio.TaskGroup() as beside:
            beside.create_task(keep_vigil(self._tokens, self.note))
            await self._read_on(accept)

    async def _read_on(self, accept: Accept) -> None:
        wait = pause = FIRST_WAIT
        while True:
            try:
                await self.look(accept)
                wait = FIRST_WAIT
                # Who reads it now may have asked before the news was there.
                is_soon = self._feed.is_others or self._is_early
                await self._bell.wait(pause if is_soon else READ_EVERY)
                pause = min(pause * 2, READ_EVERY) if self._is_early else FIRST_WAIT
            except Exception as error:
                log.warning("wecom %s: nothing was fetched (%s)", self.account, place_of(error))
                self.note(feed_error=str(error) if isinstance(error, DeliveryError) else place_of(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)

    async def look(self, accept: Accept) -> int:
        """Fetch all that is new; how many messages that were. Raises `DeliveryError`."""
        return await self._feed.read_all(accept)

    def read(self, update: Update) -> Inbound:
        return reading.read(update)

    def allowance_after(self, inbound: Inbound) -> Allowance | None:
        """What may be sent after this; None: nothing new."""
        is_word = inbound.message_id and not inbound.by_owner and inbound.kind != Kind.WITHDRAWN
        return AFTER_A_WORD if is_word else None

    async def _keep_codes(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """What lets us greet, or ask how it was, while it is good: it is there before what goes out by it."""
        since = self._clock() - reading.CODE_GOOD
        good = [(one, code) for one in messages if (code := reading.code_of(one)) and reading.instant_of(one) > since]
        if good:
            async with self._database.writing() as session:
                # Those that nothing was said by; nobody else would ever ask for them.
                await forget(session, since, self.name, self.account, CODE)
                for one, code in good:
                    name = f"{CODE}{reading.address_of(one)}"
                    await keep(session, reading.instant_of(one), self.name, self.account, name, code)

    async def _heed(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Messages that did not arrive after all."""
        told = dict(filter(None, map(reading.failed, messages)))
        async with self._database.writing() as session:
            self._is_early = await heed(session, self._clock(), (self.name, self.account), told, self._take_back)

    # Sending

    async def deliver_free(self, outgoing: Outgoing, message: Message) -> str | None:
        """Say it as the greeting of who opened the conversation a moment ago, or as the last word when it ended."""
        said = contents(message.text, message.buttons)
        number = number_of(outgoing, message, 0)
        return number if len(said) == 1 and await self._greet(outgoing.address, {"msgid": number} | said[0]) else None

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Our own id of each message makes the platform take a repeat for what it is."""
        return await self.deliver_pictures(outgoing, message, ())

    async def deliver_pictures(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """The next part of it: the words, then each picture."""

        async def say(part: int, content: dict[str, Any]) -> str:
            number = number_of(outgoing, message, part)
            try:
                await self._say(outgoing, number, content)
            except Repeated as error:
                # Of a message sent again, what stands after the lost part had arrived; else nobody knows when it did.
                if not lost(outgoing):
                    raise Ambiguous from error
            return number

        return await self._send_next(outgoing, message, photos, say)

    async def deliver_again(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """The platform refuses an id of ours that it had: then that part arrived before."""

        async def say(part: int, content: dict[str, Any]) -> str:
            number = number_of(outgoing, message, part)
            try:
                await self._say(outgoing, number, content)
            except Repeated:
                return number
            except MediaGone:
                raise
            except Refused as error:  # now; nobody knows what became of the first try
                raise Ambiguous from error
            return number

        return await self._send_next(outgoing, message, photos, say)

    async def _send_next(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo], say: Say) -> str:
        texts = contents(message.text, message.buttons)
        send = partial(send_next, self._api, self._tokens, outgoing, texts, photos, say)
        return await sending(self.note, send)

    async def _say(self, outgoing: Outgoing, number: str, content: dict[str, Any]) -> None:
        await self._send({"touser": outgoing.address, "open_kfid": self.account, "msgid": number} | content)

    def cost(self, message: Message) -> int:
        """How many messages of the allowance it takes."""
        return len(contents(message.text, message.buttons)) + len(numbers_of(message))

    async def _send(self, body: dict[str, Any]) -> None:
        try:
            await self._api.call(self._tokens, "/cgi-bin/kf/send_msg", body)
        except WrongState:
            if not await self._take_over(body["touser"]):
                raise
            await self._api.call(self._tokens, "/cgi-bin/kf/send_msg", body)

    async def _take_over(self, address: str) -> bool:
        """Put the session into the state in which the interface may send, unless a person has it in 企业微信.

        Raises `WindowClosed` for one that ended: none but the buyer's next word opens it again.
        """
        who = {"open_kfid": self.account, "external_userid": address}
        state = (await self._ask_of_session("get", who)).get("service_state")
        if state == ENDED:
            raise WindowClosed(reason="the session ended")
        if state not in (NEW, WAITING):
            return False
        try:
            await self._ask_of_session("trans", who | {"service_state": WITH_THE_BOT})
        except Refused:  # a person was quicker
            return False
        return True

    async def _ask_of_session(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """Nobody is shown anything by it: what may have been done is asked for again."""
        try:
            return await self._api.call(self._tokens, f"/cgi-bin/kf/service_state/{call}", body)
        except Ambiguous:
            raise ChannelDown(reason="the platform did not say who has the conversation") from None

    async def _greet(self, address: str, content: dict[str, Any]) -> bool:
        """Whether there was a code for it, good once and for a moment, and the platform took it."""
        async with self._database.writing() as session:
            row = await session.get(Feed, (self.name, self.account, f"{CODE}{address}"))
            if row is None:
                return False
            await session.delete(row)  # it is good once
            code, given_at = row.cursor, row.read_at
        if self._clock() - given_at > reading.CODE_GOOD:
            return False
        try:
            await self._api.call(self._tokens, "/cgi-bin/kf/send_msg_on_event", {"code": code} | content)
        except Refused:
            return False
        return True
