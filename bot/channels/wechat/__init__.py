"""WeChat's 公众号 (service account) for buyers. All that is its own stops here: limits, errors and shapes."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from bot.channels.port import Accept, Inbound, Kind, Update
from bot.channels.wechat import reading
from bot.channels.wechat.passive import Passive, Slot
from bot.channels.wechat.sending import bodies, in_passing
from bot.channels.weixin.api import Api, Tokens
from bot.channels.weixin.door import Gate, read_body
from bot.channels.weixin.media import bringing
from bot.channels.weixin.xml import write
from bot.errors import BadXml, Forged, UpdateTooLarge
from bot.faults import place_of
from tickets.reply_windows import Allowance
from tickets.tables import Message, Outgoing, Priority

log = logging.getLogger(__name__)

SUCCESS = "success"
PASSIVE = "passive"  # the id of a message that went out as the answer to the platform's call
WRITE_SECONDS = 1.0  # that an answer may take to be written
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
    ) -> None:
        self.account = account
        self._gate = gate
        self._api = api
        self._tokens = tokens
        self._clock = clock
        self.fetch = bringing(api, tokens).fetch
        self._patience = patience.total_seconds()
        self._passive = Passive()

    # Receiving

    def router(self, accept: Accept) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.get(f"/wechat/{self.account}")
        async def verify(request: Request) -> Response:
            try:
                return Response(self._gate.echo(request.query_params, self._clock()), media_type="text/plain")
            except Forged:
                return Response(status_code=401)

        @router.post(f"/wechat/{self.account}")
        async def take(request: Request) -> Response:
            return await self._take(request, accept)

        return router

    async def _take(self, request: Request, accept: Accept) -> Response:
        try:
            fields = self._gate.open(request.query_params, await read_body(request), self._clock())
        except UpdateTooLarge:
            return Response(status_code=413)
        except (Forged, BadXml):
            return Response(status_code=401)
        except ClientDisconnect:
            return Response(status_code=408)
        update = reading.take(self.name, self.account, fields)
        return await self._keep(update, accept, fields.get("ToUserName", "")) if update else Response(SUCCESS)

    async def _keep(self, update: Update, accept: Accept, our_name: str) -> Response:
        """Acknowledge once it is committed, with an answer when there is one at once."""
        slot = self._passive.open(update.address)
        try:
            if not await accept(update):
                return Response(SUCCESS)  # a repeat: it was, or will be, answered
            async with asyncio.timeout(self._patience):
                text = await asyncio.shield(slot.answer)
        except TimeoutError:
            return Response(SUCCESS)
        except Exception as error:  # the store is away: the platform calls again
            log.error("wechat: an update was not stored: %s", place_of(error))
            return Response(status_code=503)
        finally:
            self._passive.close(update.address, slot)
        return self._reply(update.address, our_name, text, slot)

    def _reply(self, address: str, our_name: str, text: str, slot: Slot) -> Response:
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
        if not self._gate.is_plain:
            sealed, signature = self._gate.envelope.seal(plain.encode(), timestamp, nonce)
            plain = write({"Encrypt": sealed, "MsgSignature": signature, "TimeStamp": timestamp, "Nonce": nonce})
        return Response(plain, media_type="application/xml", background=BackgroundTask(slot.written.set))

    async def close(self) -> None:
        await self._api.close()

    async def set_menu(self, entries: Mapping[str, str]) -> None:
        """Show these under the conversation: what stands on each, and what its press says. Raises `DeliveryError`."""
        buttons = [{"type": "click", "name": name, "key": word} for name, word in entries.items()]
        await self._api.call(self._tokens, "/cgi-bin/menu/create", {"button": buttons})

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
        return PASSIVE if is_said else None

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Say it by the interface; WeChat gives no id of it."""
        for body in bodies(outgoing.address, message.text, message.buttons):
            await self._api.call(self._tokens, "/cgi-bin/message/custom/send", body)
        return ""

    def cost(self, message: Message) -> int:
        """How many messages of the allowance it takes."""
        return len(bodies("", message.text, message.buttons))
