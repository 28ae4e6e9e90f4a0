"""WeChat's 公众号 (service account) for buyers. All that is its own stops here: limits, errors and shapes."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from bot.channels.body import read_body
from bot.channels.noting import Note, unheard
from bot.channels.port import Accept, Inbound, Kind, Photo, Update
from bot.channels.wechat import reading
from bot.channels.wechat.passive import Passive, Slot
from bot.channels.wechat.sending import bodies, in_passing
from bot.channels.wechat.typing import Typing
from bot.channels.weixin.api import Api, Tokens
from bot.channels.weixin.door import BODY_LIMIT, Gate, note_refusal
from bot.channels.weixin.media import bringing, send_next
from bot.channels.weixin.vigil import keep_vigil, sending
from bot.channels.weixin.xml import write
from bot.errors import BadXml, Forged, UpdateTooLarge
from bot.faults import place_of
from bot.gallery import numbers_of
from tickets.reply_windows import Allowance
from tickets.tables import Message, Outgoing, Priority

log = logging.getLogger(__name__)

SUCCESS = "success"
SEND, TYPING = "/cgi-bin/message/custom/send", "/cgi-bin/message/custom/typing"
PASSIVE = "passive"  # the id of a message that went out as the answer to the platform's call
WRITE_SECONDS = 30.0  # that an answer which a call took may take to be written, while we are busy
AFTER_A_WORD = Allowance(timedelta(hours=48), 5)
AFTER_A_TOUCH = Allowance(timedelta(minutes=1), 3)  # of the menu, of a code


class WeChat:
    """The channel `wechat`: one account."""

    name = "wechat"

    def __init__(
        self,
        account: str,
        gate: Gate,
        api: Api,
        tokens: Tokens,
        clock: Callable[[], datetime],
        *,
        patience: timedelta = timedelta(seconds=0.7),  # that a call waits for an answer; after 5 s WeChat calls again
        note: Note = unheard,
    ) -> None:
        self.account = account
        self._gate = gate
        self._api = api
        self._tokens = tokens
        self._clock = clock
        self.fetch = bringing(api, tokens).fetch
        self._patience = patience.total_seconds()
        self._passive = Passive()
        self._typing = Typing(self._show_typing)
        self._note = note

    # Receiving

    async def run(self) -> None:
        """See until cancelled that the platform lets us in; buyers come through the door."""
        if self._gate.is_plain:
            log.warning(
                "wechat %s: plain mode is allowed: whoever stands on the way can change callbacks", self.account
            )
        self._note(mode="callback")
        await keep_vigil(self._tokens, self._note)

    def router(self, accept: Accept) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.get(f"/wechat/{self.account}")
        async def verify(request: Request) -> Response:
            try:
                echo = self._gate.echo(request.query_params, self._clock())
            except Forged as error:
                note_refusal(self._note, error)
                return Response(status_code=401)
            self._note("called_at")
            return Response(echo, media_type="text/plain")

        @router.post(f"/wechat/{self.account}")
        async def take(request: Request) -> Response:
            return await self._take(request, accept)

        return router

    async def _take(self, request: Request, accept: Accept) -> Response:
        begun = asyncio.get_running_loop().time()
        try:
            fields = self._gate.open(request.query_params, await read_body(request, BODY_LIMIT), self._clock())
        except UpdateTooLarge:
            return Response(status_code=413)
        except (Forged, BadXml) as error:
            note_refusal(self._note, error)
            return Response(status_code=401)
        except ClientDisconnect:
            return Response(status_code=408)
        self._note("called_at")
        update = reading.take(self.name, self.account, fields)
        if update is None:
            return Response(SUCCESS)
        return await self._keep(request, update, accept, fields.get("ToUserName", ""), begun + self._patience)

    async def _keep(self, request: Request, update: Update, accept: Accept, our_name: str, until: float) -> Response:
        """Acknowledge once it is committed, with an answer when there is one at once."""
        slot, has_answer = self._passive.open(update.address), False
        try:
            if not await accept(update):
                return Response(SUCCESS)  # a repeat: it was, or will be, answered
            self._note("seen_at")
            # What storing took is waited less: nobody's call waits longer because we are busy.
            await asyncio.wait({slot.answer}, timeout=max(0, until - asyncio.get_running_loop().time()))
            if not slot.answer.done():
                self._typing.begin(update.address)
                return Response(SUCCESS)
            has_answer = True
        except Exception as error:  # the store is away: the platform calls again
            log.error("wechat: an update was not stored: %s", place_of(error))
            return Response(status_code=503)
        finally:
            self._passive.close(update.address, slot)
            if not has_answer:
                slot.close(is_written=False)  # one that was given to this call meanwhile goes the other way
        if await request.is_disconnected():  # the platform did not wait so long
            slot.close(is_written=False)
            return Response(SUCCESS)
        is_sealed = "msg_signature" in request.query_params
        return self._reply(update.address, our_name, slot.answer.result(), slot, is_sealed=is_sealed)

    def _reply(self, address: str, our_name: str, text: str, slot: Slot, *, is_sealed: bool) -> Response:
        """In the mode of the call: the platform may have left plain mode before our settings did."""
        timestamp, nonce = str(int(self._clock().timestamp())), secrets.token_hex(8)
        plain = write(
            {
                "ToUserName": address,
                "FromUserName": our_name,
                "CreateTime": timestamp,
                "MsgType": "text",
                "Content": text,
            }
        )
        if is_sealed:
            sealed, signature = self._gate.envelope.seal(plain.encode(), timestamp, nonce)
            plain = write({"Encrypt": sealed, "MsgSignature": signature, "TimeStamp": timestamp, "Nonce": nonce})
        return Response(plain, media_type="application/xml", background=BackgroundTask(slot.close, is_written=True))

    async def close(self) -> None:
        await self._typing.close()
        await self._api.close()

    async def _show_typing(self, address: str) -> None:
        await self._api.call(self._tokens, TYPING, {"touser": address, "command": "Typing"})

    async def set_menu(self, entries: Mapping[str, str]) -> None:
        """Show these under the conversation: what stands on each, and what its press says. Raises `DeliveryError`."""
        buttons = [{"type": "click", "name": name, "key": word} for name, word in entries.items()]
        await self._api.call(self._tokens, "/cgi-bin/menu/create", {"button": buttons})

    async def clear_quota(self) -> None:
        """Have the platform count today's calls from 0 again; it does so ten times a month. Raises `DeliveryError`."""
        await self._api.call(self._tokens, "/cgi-bin/clear_quota", {"appid": self.account})

    def read(self, update: Update) -> Inbound:
        return reading.read(update)

    def allowance_after(self, inbound: Inbound) -> Allowance | None:
        """What may be sent after this; None: nothing new."""
        if inbound.kind == Kind.LEFT:
            return None
        return AFTER_A_WORD if inbound.message_id else AFTER_A_TOUCH

    # Sending

    async def deliver_free(self, outgoing: Outgoing, message: Message) -> str | None:
        """Say it in the platform's own call, when that waits.

        That it arrived is known only as far as the connection says so: what handles a ticket goes the other way.
        """
        text = in_passing(message.text, message.buttons) if outgoing.priority > Priority.OUTCOME else None
        is_said = text is not None and await self._passive.answer(outgoing.address, text, WRITE_SECONDS)
        if is_said:
            self._note("sent_at")
        return PASSIVE if is_said else None

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """The next part of it, by the interface; WeChat gives no id of it."""
        return await self.deliver_pictures(outgoing, message, ())

    async def deliver_pictures(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """The next part of it: the words, then each picture."""

        async def say(_part: int, content: dict[str, Any]) -> str:
            await self._api.call(self._tokens, SEND, {"touser": outgoing.address} | content)
            return ""

        texts = bodies(outgoing.address, message.text, message.buttons)
        send = partial(send_next, self._api, self._tokens, outgoing, texts, photos, say)
        return await sending(self._note, send)

    def cost(self, message: Message) -> int:
        """How many messages of the allowance it takes."""
        return len(bodies("", message.text, message.buttons)) + len(numbers_of(message))
