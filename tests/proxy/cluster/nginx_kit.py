"""A real nginx by the configuration that `deploy/` ships, before servers of a test's own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.proxy.cluster.kit import wait
from tests.security.kit import ask, request
from tests.sources import ROOT

PLACES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configured(folder: Path, port: int, servers: Sequence[int]) -> str:
    """The configuration, with other addresses and a folder for all that nginx writes."""
    told = (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8")
    [*_, sample] = [line for line in told.splitlines() if "server pointsman-" in line]
    ours = [sample.replace("pointsman-2:8000", f"127.0.0.1:{one}") for one in servers]
    lines = [line for line in told.splitlines() if "server pointsman-" not in line]
    at = next(number for number, line in enumerate(lines) if "upstream pointsman" in line) + 1
    lines[at:at] = ours
    http = lines.index("http {") + 1
    lines[http:http] = [f"{place}_temp_path {folder}/{place};" for place in PLACES]
    text = "\n".join(lines).replace("listen 8080", f"listen 127.0.0.1:{port}")
    return f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/log;\n{text}\n"


@contextmanager
def nginx_before(folder: Path, port: int, servers: Sequence[int]) -> Iterator[None]:
    """nginx at `port` before servers at those ports of this machine."""
    folder.mkdir()
    (folder / "nginx.conf").write_text(configured(folder, port, servers), encoding="utf-8")
    command = [str(shutil.which("nginx")), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/log"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as popen:
        try:
            wait(lambda: popen.poll() is not None or _answers(port))
            assert popen.poll() is None, popen.stderr and popen.stderr.read()
            yield
        finally:
            popen.kill()


def _answers(port: int) -> bool:
    try:
        return ask(port, request("GET", "/health/live")).status == 200
    except OSError:
        return False
