"""The way between Kadesk and a database server: it can be cut, as servers and networks do."""

import asyncio
from pathlib import Path

from sqlalchemy.engine import make_url


class Line:
    """A socket of its own that leads to the server, while it is joined."""

    def __init__(self, server: str, door: Path) -> None:
        self._server = make_url(server)
        self.url = str(self._server.update_query_dict({"unix_socket": str(door)}))
        self._door = door
        self._writers: list[asyncio.StreamWriter] = []

    async def join(self) -> None:
        self._listener = await asyncio.start_unix_server(self._meet, self._door)

    async def cut(self) -> None:
        self._listener.close()
        self._door.unlink(missing_ok=True)
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(str(self._server.query["unix_socket"]))
        self._writers += [writer, there[1]]
        await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                writer.write(piece)
        except ConnectionError:
            pass
        finally:
            writer.close()
