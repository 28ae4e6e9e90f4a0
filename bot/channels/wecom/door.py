"""The door that 企业微信 calls: one address for all accounts of a company, which are told that there is news."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from bot.channels.wecom import WeCom
from bot.channels.weixin.door import Gate, read_body
from bot.errors import BadXml, Forged, UpdateTooLarge

EVENT = "kf_msg_or_event"


def router(company: str, gate: Gate, accounts: Sequence[WeCom], clock: Callable[[], datetime]) -> APIRouter:
    """`company` is its corp id, as it stands in the address."""
    router = APIRouter(include_in_schema=False)

    @router.get(f"/wecom/{company}")
    async def verify(request: Request) -> Response:
        try:
            return Response(gate.echo(request.query_params, clock()), media_type="text/plain")
        except Forged:
            return Response(status_code=401)

    @router.post(f"/wecom/{company}")
    async def take(request: Request) -> Response:
        try:
            fields = gate.open(request.query_params, await read_body(request), clock())
        except UpdateTooLarge:
            return Response(status_code=413)
        except (Forged, BadXml):
            return Response(status_code=401)
        except ClientDisconnect:
            return Response(status_code=408)
        _ring(accounts, fields)
        return Response()

    return router


def _ring(accounts: Sequence[WeCom], fields: Mapping[str, str]) -> None:
    """Nothing has to be stored before we acknowledge: what there is waits in the feed for three days."""
    if fields.get("Event") == EVENT:
        for account in accounts:
            if account.account == fields.get("OpenKfId"):
                account.call(fields.get("Token", ""))
