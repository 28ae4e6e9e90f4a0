"""Fetch uv where Python came without pip and venv, as on a bare Debian: python3 get_uv.py VERSION FOLDER.

Uses the standard library only. The wheel is chosen for this machine and its SHA-256 is checked against the index.
"""

import hashlib
import io
import json
import platform
import sys
import urllib.request
import zipfile
from pathlib import Path

INDEX = "https://pypi.org/simple/uv/"
PLATFORMS = {
    ("Linux", "x86_64"): "manylinux_2_17_x86_64",
    ("Linux", "aarch64"): "manylinux_2_17_aarch64",
    ("Darwin", "x86_64"): "macosx_10_12_x86_64",
    ("Darwin", "arm64"): "macosx_11_0_arm64",
}


def fetch(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return bytes(answer.read())


def main(version: str, folder: Path) -> None:
    tag = PLATFORMS.get((platform.system(), platform.machine()))
    if tag is None:
        sys.exit("Python's venv module is missing: on Debian and Ubuntu, install python3-venv.")
    wheels = json.loads(fetch(INDEX))["files"]
    wheel = next(one for one in wheels if one["filename"].startswith(f"uv-{version}-") and tag in one["filename"])
    content = fetch(wheel["url"])
    if hashlib.sha256(content).hexdigest() != wheel["hashes"]["sha256"]:
        sys.exit(f"The download of {wheel['filename']} is damaged; try again.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "uv").write_bytes(archive.read(name))
    (folder / "uv").chmod(0o755)


main(sys.argv[1], Path(sys.argv[2]))
