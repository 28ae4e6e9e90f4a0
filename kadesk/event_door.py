"""The door that shops send their events to.

It says nothing to strangers: an unknown shop, a wrong signature and a wrong address are the same 401. It logs nothing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response

from bot.channels.body import read_body
from bot.channels.pace import Pace
from bot.errors import UpdateTooLarge
from kadesk.database import Database
from shop import incoming
from shop.events import Arrived, Events

BODY_LIMIT = 1024 * 1024  # bytes; the whole of an order with many lines
RATE = 600  # requests a minute of one sender, all of an office behind one address together


class EventDoor:
    """Keeps each event of a shop once, and acknowledges it when it is kept."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], shops: Mapping[str, Events], rate: int = RATE
    ) -> None:
        self._database = database
        self._clock = clock
        self._shops = shops
        self._sources = Pace(rate)
        self.router = APIRouter(include_in_schema=False)
        self.router.post("/shop/events/{shop}")(self._take)
        self.router.post("/shop/events/{shop}/{key}")(self._take)

    async def _take(self, request: Request, shop: str, key: str = "") -> Response:
        now = self._clock()
        if wait := self._sources.wait_for(request.client.host if request.client else "", now):
            return Response(status_code=429, headers={"Retry-After": str(max(1, round(wait / timedelta(seconds=1))))})
        try:
            body = await read_body(request, BODY_LIMIT)
        except UpdateTooLarge:
            return Response(status_code=413)
        if (events := self._shops.get(shop)) is None:
            return Response(status_code=401)
        arrived = Arrived(request.headers, body, key)
        if events.is_ping(arrived):
            return Response()
        event_id = events.recognise(arrived, now)
        if event_id is None:
            return Response(status_code=401)
        if (event := events.read(arrived, event_id)) is not None:
            async with self._database.writing() as session:
                await incoming.receive(session, now, shop, event)
        return Response()
