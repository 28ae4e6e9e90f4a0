"""The door that 企业微信 calls: one address for all accounts of a company, which are told that there is news."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from bot.channels.body import read_body
from bot.channels.wecom import WeCom
from bot.channels.weixin.door import BODY_LIMIT, Gate, note_refusal
from bot.errors import BadXml, Forged, UpdateTooLarge

log = logging.getLogger(__name__)

EVENT = "kf_msg_or_event"
STRANGERS_LOGGED = 20  # accounts that are no accounts of ours


def router(company: str, gate: Gate, accounts: Sequence[WeCom], clock: Callable[[], datetime]) -> APIRouter:
    """`company` is its corp id, as it stands in the address."""
    router = APIRouter(include_in_schema=False)
    bells = _Bells(accounts)

    def note(*instants: str, **facts: object) -> None:
        for account in accounts:  # one door for all
            account.note(*instants, **facts)

    @router.get(f"/wecom/{company}")
    async def verify(request: Request) -> Response:
        try:
            echo = gate.echo(request.query_params, clock())
        except Forged as error:
            note_refusal(note, error)
            return Response(status_code=401)
        note("called_at")
        return Response(echo, media_type="text/plain")

    @router.post(f"/wecom/{company}")
    async def take(request: Request) -> Response:
        try:
            fields = gate.open(request.query_params, await read_body(request, BODY_LIMIT), clock())
        except UpdateTooLarge:
            return Response(status_code=413)
        except (Forged, BadXml) as error:
            note_refusal(note, error)
            return Response(status_code=401)
        except ClientDisconnect:
            return Response(status_code=408)
        note("called_at")
        if fields.get("Event") == EVENT:
            bells.ring(fields)
        return Response()

    return router


class _Bells:
    """One of each account, and none of those that the owner forgot."""

    def __init__(self, accounts: Sequence[WeCom]) -> None:
        self._accounts = {account.account: account for account in accounts}
        self._strangers: set[str] = set()

    def ring(self, fields: Mapping[str, str]) -> None:
        """Nothing has to be stored before we acknowledge: what there is waits in the feed for three days."""
        number = fields.get("OpenKfId", "")
        if (account := self._accounts.get(number)) is not None:
            account.call(fields.get("Token", ""))
        elif number not in self._strangers and len(self._strangers) < STRANGERS_LOGGED:
            self._strangers.add(number)
            log.warning("wecom: buyers write to %r, which is not among the accounts of the settings", number[:64])
