"""Who is who on this machine: a stranger at the port, a stranger before the page, the owner."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.command.remote import running
from proxy.proof import NONCE_HEADER, PROOF_HEADER, Identity
from proxy.settings import Settings, SettingsError
from tests.security.kit import Fakes, Process, ask, post, process, request, serving
from tests.security.routes import FORM, FORM_PATHS, ROUTES
from tests.security.test_guard_matrix import BODY, JSON, settings_for

TOKEN = "admin-token-of-the-tests"
KEY = "client-key-of-the-tests"
PROMPT = "canary-prompt-51c7"
QUESTION = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": PROMPT}]})
COMMANDS = (
    ("status",),
    ("use", "ollama"),
    ("usage",),
    ("doctor",),
    ("explain", "-"),
)
Answering = Callable[[bytes], bytes]


class Stranger:
    """Another program at the port; `answering` makes its answer of what it hears."""

    def __init__(self, answering: Answering) -> None:
        self.heard = b""
        self._answering = answering
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @contextlib.contextmanager
    def listening(self) -> Iterator[Stranger]:
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                with caller, contextlib.suppress(OSError):
                    caller.settimeout(5)
                    while data := caller.recv(65536):
                        self.heard += data
                        caller.sendall(self._answering(data))


def header_of(heard: bytes, name: str) -> str:
    for line in heard.decode("latin-1").splitlines():
        if line.lower().startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return ""


def ok(**headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{lines}\r\n{{}}".encode("latin-1")


def mirror(heard: bytes) -> bytes:
    """Everything that could be taken for a proof is given back as it came."""
    nonce = header_of(heard, NONCE_HEADER)
    return ok(x_request_id=header_of(heard, "x-request-id"), **{PROOF_HEADER: nonce})


def relay(port: int) -> Answering:
    """Passes everything on to the owner's server, which listens elsewhere."""

    def answer(heard: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 5) as real:
            real.sendall(heard)
            return real.recv(65536)

    return answer


@pytest.fixture(scope="module")
def real(session_fakes: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with process(
        session_fakes, tmp_path_factory.mktemp("real"), POINTSMAN_ADMIN_TOKEN=TOKEN
    ) as one:
        yield one


def test_a_stranger_at_the_port_gets_no_token_and_no_prompt(real: Process) -> None:
    older = ask(real.port, request("GET", "/health/live", headers={NONCE_HEADER: "a" * 32}))
    replayed = ok(**{PROOF_HEADER: older.headers[PROOF_HEADER]})
    for answering in (mirror, relay(real.port), lambda _: replayed, lambda _: b"\xff\r\n\r\n"):
        with Stranger(answering).listening() as stranger:
            for command in COMMANDS:
                said = real.told(*command, asked=QUESTION, port=stranger.port)
                assert TOKEN not in said
                if answering is not mirror:
                    break  # what a command does with a stranger does not hang on its answer
        assert NONCE_HEADER in stranger.heard.decode("latin-1").lower()
        for secret in (TOKEN, "uthorization", PROMPT, "ollama"):
            assert secret.encode() not in stranger.heard


def test_the_owner_s_commands_know_the_owner_s_server(real: Process) -> None:
    assert json.loads(real.told("status", "--json"))["running"] is True


def test_where_no_secret_can_be_kept_nobody_is_known_and_the_reason_is_told(
    tmp_path: Path,
) -> None:
    for name in ("linked", "shown", "short"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "linked" / "secret").symlink_to(tmp_path / "short" / "secret")
    (tmp_path / "shown" / "secret").touch(0o644)
    (tmp_path / "short" / "secret").touch(0o600)

    def nowhere() -> Path:
        raise SettingsError("there is no home folder")

    for folder, reason in (
        (lambda: tmp_path / "linked", "is a link"),
        (lambda: tmp_path / "shown", "this user's alone"),
        (lambda: tmp_path / "short", "holds no secret"),
        (nowhere, "no home"),
    ):
        who = Identity(folder)
        assert who.passport(("127.0.0.1", 1)) is who.proof("a" * 32, ("127.0.0.1", 1)) is None
        assert reason in (who.trouble() or "")
    assert Identity(lambda: tmp_path / "own").trouble() is None


def test_the_proof_is_of_one_nonce_at_one_address_for_one_user(tmp_path: Path) -> None:
    own, other = Identity(lambda: tmp_path / "own"), Identity(lambda: tmp_path / "other")
    nonces, addresses = ("a" * 32, "b" * 32), (("127.0.0.1", 1), ("127.0.0.1", 2), ("::1", 1))
    shown = [who.proof(n, at) for who in (own, other) for n in nonces for at in addresses]
    shown += [who.passport(at) for who in (own, other) for at in addresses]
    assert None not in shown
    assert len(set(shown)) == len(shown)
    assert own.proof("a" * 32, ("::1", 1)) == own.proof("a" * 32, ("::1", 1))
    for nonce in ("", "a" * 31, "a" * 33, "A" * 32, "a" * 31 + "\n"):
        assert own.proof(nonce, ("::1", 1)) is None
    assert (tmp_path / "own" / "secret").stat().st_mode & 0o777 == 0o600
    (tmp_path / "own" / "secret").chmod(0o644)
    assert own.proof("a" * 32, ("::1", 1)) is None


@pytest.mark.parametrize("settings", [{}, {"POINTSMAN_API_KEYS": f"notes:{KEY}"}])
def test_the_owner_s_commands_need_no_token_of_their_own(
    fakes: Fakes, tmp_path: Path, settings: dict[str, str]
) -> None:
    with process(fakes, tmp_path, **settings) as one:
        assert json.loads(one.told("status", "--json"))["running"] is True
        assert "switched to Ollama" in one.told("use", "ollama")
        live = ask(one.port, request("GET", "/health/live"))
        assert PROOF_HEADER not in live.headers
        if settings:
            shown = {"Authorization": f"Bearer {KEY}"}
            assert ask(one.port, request("GET", "/admin/api/status", headers=shown)).status == 401


def test_where_clients_need_keys_every_route_asks_for_one_or_for_the_owner(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.brake.FREE", 2 * len(ROUTES))  # none of the keys is the owner's
    # "/" leads a browser to the page, and tells all others no more than that somebody is there.
    open_to_all = {"/health/live", "/health/ready", "/"}
    with serving(settings_for(fakes, tmp_path, api_keys=f"notes:{KEY}")) as server:
        for method, path in ROUTES:
            for shown in ({}, {"Authorization": f"Bearer {KEY}"}):
                if shown and not path.startswith(("/admin", "/api/user/preferences", "/metrics")):
                    continue
                data = request(method, path, BODY if method in ("POST", "PUT") else b"")
                told = FORM if path in FORM_PATHS else JSON
                lines = "".join(f"{n}: {v}\r\n" for n, v in {**told, **shown}.items()).encode()
                reply = ask(server.port, data.replace(b"\r\n", b"\r\n" + lines, 1))
                assert (reply.status == 401) == (path not in open_to_all), (method, path, reply)
        assert server.parts.preferences.get(None).provider == "groq"
    assert fakes.chats == 0


def test_what_is_proven_is_asked_over_the_connection_that_proved_it(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    connections: list[object] = []
    connect = socket.create_connection
    with serving(settings_for(fakes, tmp_path)) as server:
        monkeypatch.setattr(
            socket, "create_connection", lambda *a, **k: connections.append(a) or connect(*a, **k)
        )
        with running(Settings(port=server.port)) as remote:
            assert remote is not None
            assert remote.facts()["version"]
    assert len(connections) == 1


def test_a_command_goes_on_only_at_the_address_that_was_proven(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the name that it was told leads elsewhere by then."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    made: list[socket.socket] = []
    connect = socket.create_connection
    with Stranger(mirror).listening() as other, serving(settings_for(fakes, tmp_path)) as server:

        def connected(address: tuple[str, int], *args: Any, **named: Any) -> socket.socket:
            port = other.port if made and address[0] == "localhost" else server.port
            made.append(connect(("127.0.0.1", port), *args, **named))
            return made[-1]

        monkeypatch.setattr(socket, "create_connection", connected)
        with running(Settings(host="localhost", port=server.port)) as remote:
            assert remote is not None
            made[0].shutdown(socket.SHUT_RDWR)
            assert remote.facts()["version"]
    assert len(made) == 2
    assert other.heard == b""


def test_the_pass_opens_only_where_no_token_is_set(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for token, status in (("", 200), (TOKEN, 401)):
        settings = settings_for(fakes, tmp_path, api_keys=KEY, admin_token=token)
        with serving(settings) as server:
            passport = Identity().passport(("127.0.0.1", server.port))
            elsewhere = Identity().passport(("127.0.0.1", server.port + 1))
            url = f"http://127.0.0.1:{server.port}/admin/api/status"
            for shown, expected in ((passport, status), (elsewhere, 401)):
                headers = {"authorization": f"Bearer {shown}"}
                answer = httpx.get(url, headers=headers, trust_env=False)
                assert answer.status_code == expected


def test_a_login_by_form_is_refused_like_any_other_change(fakes: Fakes, tmp_path: Path) -> None:
    with serving(settings_for(fakes, tmp_path, api_keys=KEY, admin_token=TOKEN)) as server:
        assert ask(server.port, post({"token": KEY}, "/admin/api/login")).status == 401
        assert ask(server.port, post({"token": TOKEN}, "/admin/api/login")).status == 200
