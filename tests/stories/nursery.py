"""A process that gives birth to serving Kadesks: one fork per line on standard input.

Everything is imported, and a server was once made elsewhere, before the first fork, so that a test can kill -9 a real
server, with its real door and database, every second.
"""

import asyncio
import gc
import os
import sys
import tempfile
from pathlib import Path

from kadesk.logs import set_up_logs
from kadesk.serve import open_socket, serve
from kadesk.settings import Settings
from kadesk.web import create_app
from kadesk.wiring import wire


async def live(settings: Settings) -> None:
    with open_socket(settings.web.host, settings.web.port) as listener:
        await serve(await wire(settings), listener)


async def rehearse(settings: Settings) -> None:
    """What a process works out once, such as its mappers, its children need not."""
    with tempfile.TemporaryDirectory() as folder:
        place = settings.data.model_copy(update={"dir": Path(folder)})
        (Path(folder) / "cache").symlink_to((settings.data.dir / "cache").resolve())
        kadesk = await wire(settings.model_copy(update={"data": place}))
        create_app(kadesk, [])
        await kadesk.close()


def main() -> None:
    settings = Settings.load()
    set_up_logs(settings)
    asyncio.run(rehearse(settings))
    gc.freeze()  # else the first collection of each child copies all that it shares with us
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(live(settings))
            os._exit(0)
        print(child, flush=True)  # noqa: T201  # the test reads it
        _, status = os.waitpid(child, 0)
        print(status, flush=True)  # noqa: T201


main()
