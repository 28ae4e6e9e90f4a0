"""A Django site in a folder that is thrown away: what both peers need, and the stop-watch around their command.

Kinder than their defaults: SQLite with a write-ahead log and synchronous=NORMAL, mail written to nowhere, no logging.
"""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DJANGO = ("admin", "auth", "contenttypes", "humanize", "messages", "sessions", "sites", "staticfiles")
PAGE = 1_000


def measure(apps: list[str], fill: Callable[[int], None], command: str, handled: Callable[[], int]) -> None:
    """Fill a site of these `apps`, run `command`, and print how many it `handled` in how many seconds."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        settings.configure(**_settings(Path(folder), apps))
        django.setup()
        logging.disable(logging.CRITICAL)
        call_command("migrate", verbosity=0)
        fill(count)
        started = time.perf_counter()
        call_command(command, stdout=_Nowhere())
        seconds = time.perf_counter() - started
        if handled() != count:
            raise AssertionError(f"{command} handled {handled()} of {count} tickets")
    json.dump({"handled": count, "seconds": seconds}, sys.stdout)


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)


def _settings(folder: Path, apps: list[str]) -> dict[str, Any]:
    begin = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "peer.db", "OPTIONS": {"init_command": begin}}
    return {
        "SECRET_KEY": "measured, then thrown away",
        "DATABASES": {"default": database},
        "INSTALLED_APPS": [*(f"django.contrib.{name}" for name in DJANGO), *apps],
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        "HELPDESK_TEAMS_MODE_ENABLED": False,
        "MEDIA_ROOT": folder,
        "ROOT_URLCONF": "",
        "SITE_ID": 1,
        "STATIC_URL": "/static/",
        "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        "TIME_ZONE": "UTC",
        "USE_TZ": True,
    }
