"""A process that gives birth to serving Kadesks: one fork per line on standard input.

Everything is imported before the first fork, so that a test can kill -9 a real server, with its real door and database,
every second.
"""

import asyncio
import os
import sys

from kadesk.logs import set_up_logs
from kadesk.serve import open_socket, serve
from kadesk.settings import Settings
from kadesk.wiring import wire


async def live(settings: Settings) -> None:
    with open_socket(settings.web.host, settings.web.port) as listener:
        await serve(await wire(settings), listener)


def main() -> None:
    settings = Settings.load()
    set_up_logs(settings)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(live(settings))
            os._exit(0)
        print(child, flush=True)  # noqa: T201  # the test reads it
        _, status = os.waitpid(child, 0)
        print(status, flush=True)  # noqa: T201


main()
