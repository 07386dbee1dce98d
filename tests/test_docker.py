"""What can be told of the image without an engine to build it; docs/docker.md names the rest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The Dockerfile's instructions, one list a stage; continued lines are joined."""
    text = "\n".join(
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")
    )
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.strip():
            name, _, value = line.strip().partition(" ")
            found += [[]] if name == "FROM" else []
            found[-1].append((name, value))
    return found


def values(stage: list[Instruction], name: str) -> list[str]:
    return [value for each, value in stage if each == name]


BUILD, IMAGE = stages()


def environment(stage: list[Instruction]) -> dict[str, str]:
    pairs = " ".join(values(stage, "ENV")).split()
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def test_the_image_holds_what_the_build_made_and_no_tools_of_it() -> None:
    assert values(IMAGE, "COPY") == ["--from=build /app /app"]
    assert environment(BUILD)["UV_PROJECT_ENVIRONMENT"] == "/app"
    assert not any("uv" in line or "pip" in line for line in values(IMAGE, "RUN"))


def test_both_stages_have_the_same_python() -> None:
    build, image = values(BUILD, "FROM")[0], values(IMAGE, "FROM")[0]
    assert build == f"{image} AS build"
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", image)
    assert environment(BUILD)["UV_PYTHON_DOWNLOADS"] == "never"


def test_a_build_is_the_same_on_any_day() -> None:
    assert environment(BUILD)["UV_EXCLUDE_NEWER"] == "${NEWEST}"
    assert any(re.fullmatch(r"NEWEST=\d{4}-\d\d-\d\d", one) for one in values(BUILD, "ARG"))
    assert re.search(r'"uv==\d+\.\d+\.\d+"', values(BUILD, "RUN")[0])


def test_what_is_copied_is_there_and_no_more() -> None:
    sources = [word for line in values(BUILD, "COPY") for word in line.split()[:-1]]
    assert all((ROOT / source).exists() for source in sources)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    folders = {source for source in sources if (ROOT / source).is_dir()}
    assert folders == set(wheel["packages"])
    ignore = (ROOT / ".dockerignore").read_text().split()
    assert ignore[0] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == set(sources)
    assert any(fnmatch("proxy/.env", line) for line in ignore)


def test_it_runs_as_a_user_without_rights_that_owns_its_data_alone() -> None:
    (user,) = values(IMAGE, "USER")
    assert user == "10001:10001"
    assert values(IMAGE, "VOLUME") == ["/data"]
    (setup,) = values(IMAGE, "RUN")
    assert "--uid 10001" in setup
    assert "--owner=10001 --group=10001 --mode=0700 /data" in setup
    names = [name for name, _ in IMAGE]
    assert names.index("RUN") < names.index("USER") < names.index("ENTRYPOINT")


def test_it_writes_to_its_data_folder_alone() -> None:
    env = environment(IMAGE)
    assert env["PYTHONDONTWRITEBYTECODE"] == "1"
    assert env["HOME"] == "/data"
    assert env["POINTSMAN_DATABASE_URL"] == "sqlite:////data/pointsman.db"
    assert environment(BUILD)["UV_COMPILE_BYTECODE"] == "1"


def test_no_secret_and_no_other_host_is_named() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"(_KEY|_TOKEN|_KEYS)=", text)
    assert "://" not in text.replace("sqlite:////", "")


def test_it_starts_the_command_on_the_port_that_it_exposes() -> None:
    command = json.loads(values(IMAGE, "ENTRYPOINT")[0])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert command == list(project["project"]["scripts"])
    assert values(IMAGE, "EXPOSE") == [environment(IMAGE)["POINTSMAN_PORT"]]


def test_without_a_key_it_refuses_to_start(tmp_path: Path) -> None:
    own = {name: value for name, value in environment(IMAGE).items() if name.startswith("POINTS")}
    own |= {"POINTSMAN_DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "POINTSMAN_PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "proxy"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **own},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "POINTSMAN_API_KEYS" in ended.stderr


# The health check is run as it stands, against a server of ours.


@contextmanager
def server(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers every path with `status`: its port, and the paths that came."""
    paths: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    http = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield http.server_address[1], paths
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def health(port: int) -> int:
    (line,) = values(IMAGE, "HEALTHCHECK")
    python, *arguments = json.loads(line.partition("CMD ")[2])
    assert python == "python"
    env = {"POINTSMAN_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    ended = subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, timeout=60, check=False
    )
    return ended.returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 1), (503, 1)])
def test_the_health_check_tells_whether_it_lives(status: int, code: int) -> None:
    with server(status) as (port, paths):
        assert health(port) == code
    assert paths == ["/health/live"]


def test_the_health_check_fails_where_nobody_listens() -> None:
    with server(200) as (port, _):
        pass
    assert health(port) == 1
