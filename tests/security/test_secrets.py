"""No key gets out: three planted ones, and every way in which a provider may fail or tell them."""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import logging
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.errors import AdapterError, ErrorKind
from proxy.log import AsText, Lines
from proxy.redact import Redactor
from tests.fakes import GEMINI_KEY, GROQ_KEY
from tests.fakes.server import Answer, Fault, json_answer
from tests.security.kit import (
    Fakes,
    Process,
    Reply,
    Wait,
    ask,
    body_of,
    post,
    process,
    request,
    serving,
    settings_for,
)

CLIENT_KEY = "client-key-that-nobody-may-see"
ADMIN_TOKEN = "admin-token-that-nobody-may-see"
JSON = {"Content-Type": "application/json"}
CANARY = "canary-prompt-51c7"
MODELS = {"groq": "llama-3.3-70b-versatile", "gemini": "gemini-2.5-flash", "ollama": "llama3.2"}
SAID = [{"role": "user", "content": CANARY}]
PAGES = (
    "/v1/models",
    "/v1/models/llama3.2",
    "/v1/models/none",
    "/admin",
    "/admin/api/status",
    "/api/user/preferences",
    "/health/ready",
    "/metrics",
    "/admin/api/usage",
    "/admin/api/requests",
    "/admin/api/requests/1",
    "/admin/api/requests.csv",
    "/admin/api/requests.json",
    "/admin/api/kept",
    "/admin/api/responses",
    "/admin/api/cache",
    "/nowhere",
)
SECRETS = (GROQ_KEY, GEMINI_KEY, CLIENT_KEY, ADMIN_TOKEN)
PROVIDERS = ("groq", "gemini", "ollama")
SHOWN = {"Authorization": f"Bearer {CLIENT_KEY}"}
OWNER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}

ECHO = (
    f"bad header: Authorization: Bearer {GROQ_KEY}; x-goog-api-key: {GEMINI_KEY};"
    f" https://example.invalid/v1?key={GEMINI_KEY}&x=1; you said {CANARY}"
)


def echoes(status: int) -> Iterator[Answer]:
    """The keys in the words of each provider, in what is no word of any, and in headers."""
    headers = (("x-request-id", f"id-{GROQ_KEY}"), ("retry-after", "0"), ("x-key", GEMINI_KEY))
    errors: tuple[object, ...] = (
        {"error": {"message": ECHO, "type": "invalid_request_error", "code": GROQ_KEY}},
        {"error": {"message": ECHO, "code": status, "status": GEMINI_KEY}},
        {"error": ECHO},
    )
    for error in errors:
        yield json_answer(error, status, headers=headers)
    yield Answer(status, (("content-type", "text/html"), *headers), (ECHO.encode(),))


def in_streams() -> Iterator[Answer]:
    """The keys in an error that comes inside of a 200."""
    error = json.dumps({"error": {"message": ECHO, "code": 401, "status": "X", "type": GROQ_KEY}})
    sse = ("content-type", "text/event-stream")
    yield Answer(200, (sse,), (f"data: {error}\n\n".encode(),), chunked=True)
    yield Answer(200, (sse,), (f"event: error\ndata: {error}\n\n".encode(),), chunked=True)
    ndjson = ("content-type", "application/x-ndjson")
    yield Answer(200, (ndjson,), (json.dumps({"error": ECHO}).encode() + b"\n",), chunked=True)
    yield Answer(200, (("content-type", "text/html"),), (f"<h1>{ECHO}</h1>".encode(),))
    yield json_answer(json.loads(error))


def in_good_answers() -> Iterator[Answer]:
    """The keys in what each provider says about itself when it answers."""
    told = {"id": GROQ_KEY, "model": GROQ_KEY, "system_fingerprint": GROQ_KEY}
    end = {"index": 0, "finish_reason": "stop"}
    message = {"role": "assistant", "content": "Yes."}
    groq = {**told, "x_groq": {"id": GROQ_KEY}, "choices": [{**end, "message": message}]}
    chunk = {**groq, "choices": [{**end, "delta": message}]}
    parts = {"content": {"parts": [{"text": "Yes."}]}, "finishReason": "STOP"}
    gemini = {"responseId": GEMINI_KEY, "modelVersion": GEMINI_KEY, "candidates": [parts]}
    ollama = {"model": GEMINI_KEY, "message": message, "done": True, "done_reason": "stop"}
    sse, limit = ("content-type", "text/event-stream"), ("x-ratelimit-limit-requests", "99")
    for whole, piece in ((groq, chunk), (gemini, gemini)):
        data = f"data: {json.dumps(piece)}\n\ndata: [DONE]\n\n"
        for told_before in ((), (limit,)):
            yield json_answer(whole, headers=told_before)
            yield Answer(200, (sse, *told_before), (data.encode(),))
    ndjson = (("content-type", "application/x-ndjson"),)
    yield Answer(200, ndjson, (json.dumps(ollama).encode() + b"\n",))


def faults() -> Iterator[Fault]:
    for status in (400, 401, 403, 404, 429, 500, 503):
        yield from map(Fault, echoes(status))
    yield from map(Fault, in_streams())
    yield from map(Fault, in_good_answers())
    yield Fault(Answer(302, (("location", f"https://x.invalid/?key={GEMINI_KEY}"),)))
    for stop in ("close", "reset", "end"):
        for at in (0, 150)[: 1 if stop == "end" else 2]:
            yield Fault(stop_at=at, stop=stop)  # type: ignore[arg-type] # one of its literals


@dataclass
class Bag:
    """Everything that came out of the server."""

    replies: list[Reply]

    def add(self, reply: Reply) -> Reply:
        self.replies.append(reply)
        return reply

    def text(self) -> str:
        return "\n".join(
            f"{reply.headers} {reply.body.decode('utf-8', 'replace')}" for reply in self.replies
        )


@contextlib.contextmanager
def logged(redactor: Redactor) -> Iterator[io.StringIO]:
    """Everything that the server and its libraries log meanwhile, as it would be written."""
    text = io.StringIO()
    lines = Lines(AsText(), redactor, text)
    names = ("pointsman", "uvicorn", "httpx", "groq", "google_genai")
    for name in names:
        logging.getLogger(name).addHandler(lines)
    try:
        yield text
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(lines)
        lines.close()


def look_around(port: int, bag: Bag) -> None:
    """Every page and list, by whom it is for, and by those it is not for."""
    for shown, path in itertools.product((SHOWN, OWNER, {}), PAGES):
        bag.add(ask(port, request("GET", path, headers=shown)))
    for provider in PROVIDERS:
        bag.add(ask(port, post({"provider": provider}, "/admin/api/test", **OWNER)))
    bag.add(ask(port, post(body_of(), "/admin/api/explain", **OWNER)))
    bag.add(ask(port, post({"token": ADMIN_TOKEN}, "/admin/api/login")))


def look_around_in_the_terminal(one: Process, when: str = "") -> dict[str, str]:
    """What each command says that tells anything."""
    question = json.dumps(body_of("groq"))
    said = {
        f"{when}{' '.join(command)}": one.told(*command, asked=question)
        for command in (
            ("status", "--json"),
            ("doctor",),
            ("explain", "-", "--json"),
            ("usage", "--json"),
            ("env",),
        )
    }
    assert not [name for name, text in said.items() if "Usage:" in text or not text]
    return said


def assert_no_secret(texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        for secret in (*SECRETS, GROQ_KEY[:12], GEMINI_KEY[:12]):
            assert secret not in text, (name, excerpt(text, secret))
        assert "Traceback" not in text, name
        assert 'File "' not in text, name


def test_no_fault_of_a_provider_tells_a_key(
    fakes: Fakes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    bag, pages = Bag([]), Bag([])
    settings = settings_for(
        fakes, tmp_path, api_keys=f"notes:{CLIENT_KEY}", admin_token=ADMIN_TOKEN, timeout=0.1
    )
    with logged(Redactor(settings.secrets())) as log, serving(settings) as server:
        cases = itertools.product(faults(), fakes.by_name.items(), (False, True))
        for number, (fault, (name, fake), stream) in enumerate(cases, 1):
            server.parts.health.forget(name)
            fake.then(fault)
            body = {"model": f"{name}/{MODELS[name]}", "messages": SAID, "stream": stream}
            bag.add(ask(server.port, post(body, **SHOWN)))
            assert fakes.chats >= number, (fault, name, stream)
            fake.script.clear()
            pages.add(ask(server.port, request("GET", "/admin/api/status", headers=OWNER)))
            if number % 50 == 0:
                look_around(server.port, pages)
    logs = log.getvalue()
    printed = capfd.readouterr()
    texts = {"answers": bag.text(), "logs": logs, "printed": printed.out + printed.err}
    texts["pages"] = pages.text()
    assert "refuses its key" in logs
    assert "***" in texts["answers"]
    assert CANARY in texts["answers"]  # a provider's words go to the client that asked
    assert_no_secret(texts | files_of(tmp_path))
    for name, text in {**texts, "answers": "", **files_of(tmp_path)}.items():
        assert CANARY not in text, (name, excerpt(text, CANARY))


def test_no_key_is_in_what_the_command_writes(fakes: Fakes, tmp_path: Path) -> None:
    settings = {
        "POINTSMAN_API_KEYS": f"notes:{CLIENT_KEY}",
        "POINTSMAN_ADMIN_TOKEN": ADMIN_TOKEN,
        "POINTSMAN_LOG_LEVEL": "debug",
        "GROQ_LOG": "debug",
    }
    bag = Bag([])
    with process(fakes, tmp_path, **settings) as one:
        for fault, (name, fake) in itertools.product(echoes(400), fakes.by_name.items()):
            fake.then(Fault(fault))
            body = {"model": f"{name}/{MODELS[name]}", "messages": SAID}
            bag.add(ask(one.port, post(body, **SHOWN)))
        look_around(one.port, bag)
        said = look_around_in_the_terminal(one)
        one.terminate()
        assert one.exit_code() == 0
    said |= look_around_in_the_terminal(one, "with no server: ")
    texts = files_of(tmp_path) | said
    assert "pointsman.request" in texts[str(tmp_path / "stderr")]
    assert any(name.endswith(".db") for name in texts)
    assert_no_secret(texts | {"answers": bag.text()})
    assert not [name for name, text in texts.items() if CANARY in text]


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path): path.read_bytes().decode("latin-1")
        for path in folder.rglob("*")
        if path.is_file()
    }


def excerpt(text: str, secret: str) -> str:
    at = text.index(secret)
    return text[max(0, at - 200) : at + 80]


def test_the_database_is_its_owner_s_alone_whoever_could_read_it_before(
    fakes: Fakes, tmp_path: Path, wait: Wait
) -> None:
    folder = tmp_path / "data" / "pointsman"
    choice = json.dumps({"default_llm_provider": "ollama"}).encode()
    data = request("PUT", "/api/user/preferences", choice, headers=JSON)
    for _ in range(2):
        with process(fakes, tmp_path) as one:
            assert ask(one.port, data).status == 200
            wait(lambda: len(list(folder.glob("pointsman.db*"))) == 3)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
            assert set(modes.values()) == {0o600}, modes
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            one.terminate()
            assert one.exit_code() == 0
        for path in (folder, *folder.iterdir()):
            path.chmod(0o777)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("the key is s3cret-key!", "the key is ***"),
        ("quoted s3cret%2Dkey%21 no", "quoted s3cret%2Dkey%21 no"),
        ("in a URL s3cret-key%21", "in a URL ***"),
        ("Authorization: Bearer abcdef012345", "Authorization: Bearer ***"),
        ("'authorization': 'bearer abcdef012345'", "'authorization': 'bearer ***'"),
        ("https://x/y?key=abc123&z=1", "https://x/y?key=***&z=1"),
        ("https://x/y?z=1&api_key=abc123", "https://x/y?z=1&api_key=***"),
        ("access_token=abc123 more", "access_token=*** more"),
        ("AIzaSyA1234567890_-x, no", "***, no"),
        ("gsk_abcdefghij1234", "***"),
        ("sk-proj-abcdefghij1234", "***"),
        ("a task-manager and 12 monkeys = 13", "a task-manager and 12 monkeys = 13"),
        ("xy", "xy"),
        ("", ""),
    ],
)
def test_masks_what_is_a_key_or_looks_like_one(text: str, masked: str) -> None:
    assert Redactor(["s3cret-key!", "xy", ""])(text) == masked


LONG_KEY = "gsk_aB3-dE5/fG7+hI9"


@pytest.mark.parametrize("before", ["", "Bearer ", "it is "])
def test_a_long_key_is_masked_in_its_usual_dresses(before: str) -> None:
    data = f"{before}{LONG_KEY}".encode()
    hexes = [f"{byte:02x}" for byte in LONG_KEY.encode()]
    dresses = (
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data + b"; and so on").decode(),
        *(data.hex(), data.hex().upper(), LONG_KEY[::-1], LONG_KEY.upper(), LONG_KEY.lower()),
        *("%" + "%".join(hexes), "\\u00" + "\\u00".join(hexes), "\\\\u00" + "\\\\u00".join(hexes)),
        "".join(f"&#{ord(one)};" for one in LONG_KEY),
        "".join(f"&#x{ord(one):04X};" for one in LONG_KEY),
        f"%{hexes[0]}{LONG_KEY[1:9]}\\u00{hexes[9]}{LONG_KEY[10:]}",
    )
    mask = Redactor(["another-long-secret", LONG_KEY])
    for dress in dresses:
        masked = mask(f"the key: {dress}.")
        assert "***" in masked, dress
        assert len(masked) < len("the key: ***.") + 2 * len(before) + 20, masked
    assert mask("100 % of \\u0041 &#65; gsk_ aB3-dE5") == "100 % of \\u0041 &#65; gsk_ aB3-dE5"


def test_no_text_takes_long_to_mask() -> None:
    text = "a" * 1_000_000 + " key=abc"
    assert Redactor(["s3cret-key!"])(text) == text.removesuffix("abc") + "***"
    mask = Redactor([LONG_KEY])
    for odd in ("%", "\\", "&#0", "%67", "\\u0067"):  # a square of them would take an hour
        assert mask(odd * 100_000) == odd * 100_000


def test_passwords_in_addresses_are_secrets_too(fakes: Fakes, tmp_path: Path) -> None:
    settings = settings_for(fakes, tmp_path, database_url="postgresql://me:pass-of-mine@db/x")
    text = Redactor(settings.secrets())("cannot connect to postgresql://me:pass-of-mine@db/x")
    assert text == "cannot connect to postgresql://me:***@db/x"


def test_masks_a_key_that_begins_as_another_does() -> None:
    redactor = Redactor(["abcdef", "abcdefghij"])
    assert redactor("abcdefghij abcdef") == "*** ***"


def test_whatever_a_provider_says_in_an_error_is_masked() -> None:
    error = AdapterError(
        ErrorKind.BAD_REQUEST,
        f"of {LONG_KEY}",
        provider="groq",
        param=f"x-{LONG_KEY}",
        upstream_code=LONG_KEY[::-1],
        violations=[(f"a.{LONG_KEY}", f"is {LONG_KEY}")],
    )
    masked = Redactor([LONG_KEY]).masked(error)
    assert (masked.message, masked.param, masked.upstream_code) == ("of ***", "x-***", "***")
    assert list(masked.violations) == [("a.***", "is ***")]


def test_half_a_key_where_a_text_was_cut_is_masked() -> None:
    mask = Redactor(["another-long-secret", LONG_KEY])
    for dress in (
        LONG_KEY,
        LONG_KEY.upper(),
        LONG_KEY[::-1],
        base64.b64encode(LONG_KEY.encode()).decode(),
        "".join(f"&#{ord(one)};" for one in LONG_KEY),
        "".join(f"%{ord(one):02X}" for one in LONG_KEY),
    ):
        for length in range(len(dress) // 2, len(dress)):
            for end in ("", ")"):
                assert mask.cut(f"(it says: {dress[:length]}{end}").startswith("(it says: ***")
    for text in (
        "it says: gsk_",
        f"{LONG_KEY[:9]} is too short",
        "",
        "%",
        "&#",
        "ends (as usual).",
    ):
        assert mask.cut(text) == text
