"""Every door alike, those that are added later, too: whatever comes in, none of them breaks.

The ways in are read off the running server's routes, so that a new door is tried by itself.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from adapters.base import ChatRequest
from proxy.doors import DOORS, keeping
from proxy.doors.door import Call
from proxy.doors.ollama.errors import NOWHERE
from proxy.doors.reading.schemas import within_bounds
from proxy.doors.responses.in_memory import Turns
from proxy.errors import ApiError
from proxy.gate.guard import WRITING_METHODS
from proxy.redact import Redactor
from tests.sampling import spread
from tests.security.bodies import junk
from tests.security.kit import (
    Fakes,
    Reply,
    Threaded,
    ask,
    post,
    request,
    serving,
    settings_for,
    sized,
)
from tests.security.test_secrets import assert_no_secret, files_of, logged

BODIES = sized(25, 2000)
OWN = ("/admin", "/api/user/preferences", "/health", "/metrics")
"""Paths that are no door."""
FUZZ = settings(
    max_examples=BODIES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
SAID = {"role": "user", "content": "Hello."}
RICH: dict[str, Any] = {
    "model": "ollama/llama3.2",
    "messages": [SAID, {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}, SAID],
    "input": "Hello.",
    "prompt": "Hello.",
    "contents": [{"role": "user", "parts": [{"text": "Hello."}, {"inlineData": {"data": "x"}}]}],
    "content": {"parts": [{"text": "Hello."}]},
    "requests": [{"model": "models/m", "content": {"parts": [{"text": "Hello."}]}}],
    "system": [{"type": "text", "text": "Be brief."}],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "instructions": "Be brief.",
    "max_tokens": 5,
    "stream": False,
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": SCHEMA}},
        {"type": "function", "name": "g", "parameters": SCHEMA},
        {"name": "h", "input_schema": SCHEMA},
        {"functionDeclarations": [{"name": "i", "parameters": SCHEMA}]},
    ],
    "tool_choice": "auto",
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["i"]}},
    "generationConfig": {"temperature": 1, "responseSchema": SCHEMA, "stopSequences": ["x"]},
    "safetySettings": [{"category": "x", "threshold": "y"}],
    "options": {"num_predict": 5, "stop": ["x"], "temperature": 1},
    "format": SCHEMA,
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}},
    "reasoning": {"effort": "low"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "stop_sequences": ["x"],
    "keep_alive": "5m",
    "images": ["aGk="],
    "context": [1, 2, 3],
    "metadata": {"user_id": "me"},
    "previous_response_id": "resp_x",
    "encoding_format": "float",
    "dimensions": 3,
}
NAMES = [f"k{at}" for at in range(4000)]
BOMB = "[" + "{}," * 400_000 + "{}]"
LARGE = {"anyOf": [{}] * 5000}
WIDE = {"type": "object", "properties": {name: {} for name in NAMES}, "required": NAMES}
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "deep": b'{"model":"m","messages":' + b"[" * 100_000,
    "closed deep": b'{"model":"m","input":' + b"[" * 500 + b"]" * 500 + b"}",
    "many values": b'{"model":"m","messages":[' + b"{}," * 400_000 + b"{}]}",
    "a large number": b'{"model":"m","max_tokens":' + b"9" * 5000 + b"}",
    "half a character": b'{"model":"m","prompt":"\\ud800","messages":"\\ud800","input":"\\ud800"}',
    "many of all": json.dumps(
        {name: value * 3000 for name, value in RICH.items() if isinstance(value, list)}
        | {"model": "m", "input": [SAID] * 5000}
    ).encode(),
    "wide schemas": json.dumps(
        {
            **RICH,
            "format": WIDE,
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": WIDE}},
                {"type": "function", "name": "g", "parameters": WIDE, "input_schema": WIDE},
                {"functionDeclarations": [{"name": "i", "parameters": WIDE}]},
            ]
            * 20,
        }
    ).encode(),
    "many keys": b'{"model":"m","messages":[{'
    + b",".join(b'"k%d":1' % at for at in range(250_000))
    + b"}]}",
    "values in arguments": json.dumps(
        {
            "model": "ollama/llama3.2",
            "messages": [
                SAID,
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "c",
                            "type": "function",
                            "function": {"name": "f", "arguments": BOMB},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c", "content": BOMB},
            ],
            "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": BOMB}],
        }
    ).encode(),
    "items of no kind": json.dumps(
        {"model": "m", "input": [{"id": [1], "type": {}}], "messages": [{"role": []}]}
    ).encode(),
    "what names itself": json.dumps(
        {"model": "m", "input": [SAID, {"type": "item_reference", "id": "x"}]}
    ).encode(),
}


def ways(server: Threaded) -> Iterator[tuple[str, str]]:
    """Method and path of each way in."""
    app: Any = server.config.app
    assert isinstance(app, Starlette)
    for route in app.routes:
        if isinstance(route, Route) and not route.path.startswith(OWN):
            path = re.sub(r"\{[^}]*\}", "llama3.2", route.path)
            for method in sorted(route.methods or ()):
                yield method, path


def posts(server: Threaded) -> list[str]:
    """Those that take a body; what is at two paths is tried at the first."""
    found = [path for method, path in ways(server) if method == "POST"]
    return [path for path in found if not path.startswith("/openai/")]


@pytest.fixture(scope="module")
def server(session_fakes: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Threaded]:
    folder = tmp_path_factory.mktemp("doors")
    with serving(settings_for(session_fakes, folder, fetch_images="off", timeout=0.5)) as one:
        yield one


def check(reply: Reply, *asked: object) -> None:
    """Answered, by no fault of ours, and with nothing of our inside."""
    assert reply.status not in (0, 500), (asked, reply)
    for trace in (b"Traceback", b'File "', b"site-packages", b" object at 0x", b"internal_error"):
        assert trace not in reply.body, asked
    if reply.status >= 400 and (reply.status, reply.body) != (404, NOWHERE):
        assert isinstance(reply.json, dict), (asked, reply)


@st.composite
def nearly_right(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of all protocols, with one to three of their values replaced by anything."""
    names = draw(st.sets(st.sampled_from(sorted(RICH)), max_size=12))
    body: dict[str, Any] = json.loads(json.dumps({name: RICH[name] for name in sorted(names)}))
    body |= {name: RICH[name] for name in ("model", "messages", "input", "prompt", "contents")}
    body = json.loads(json.dumps(body))
    for _ in range(draw(st.integers(1, 3))):
        node: Any = body
        while True:
            key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
                node[key] = draw(junk)
                break
            node = node[key]
    return body


def test_the_doors_are_found(server: Threaded) -> None:
    found = set(ways(server))
    doors = (*DOORS, *keeping(Turns(lambda: 0.0, most=0)))
    plain = {
        (m, path) for one in doors for m in one.methods for path in one.paths if "{" not in path
    }
    assert plain <= found


def test_no_body_of_nearly_the_right_form_breaks_a_door(server: Threaded) -> None:
    paths = posts(server)

    @FUZZ
    @given(nearly_right())
    def attempt(body: dict[str, Any]) -> None:
        data = json.dumps(body).encode("utf-8", "surrogatepass")
        for path in paths:
            server.parts.health.forget("ollama")
            reply = ask(server.port, post(data, path, **{"x-pointsman-fallback": "off"}))
            check(reply, path, body)

    attempt()


def test_no_hostile_body_breaks_a_door(server: Threaded) -> None:
    for path, (name, body) in spread(itertools.product(posts(server), HOSTILE.items()), 100):
        check(ask(server.port, post(body, path)), path, name)


def test_no_odd_query_or_name_breaks_a_door(server: Threaded) -> None:
    queries = ("limit=%C2%B2", f"limit={'9' * 5000}", "limit=-1", "after=%00", "order=&&=", "%zz")
    for method, path in ways(server):
        if method in ("GET", "DELETE"):
            for query in queries:
                check(ask(server.port, request(method, f"{path}?{query}")), path, query)
            for name in ("%00", "%F0%28", "a" * 5000, "..%2f..%2fx", "%C2%B2"):
                check(ask(server.port, request(method, path.replace("llama3.2", name))), path, name)


def test_a_body_of_twice_the_size_takes_no_more_than_twice_the_steps() -> None:
    kept = keeping(Turns(lambda: 0.0, most=0))
    doors = [one for one in (*DOORS, *kept) if hasattr(one.door, "read")]
    for one, field in itertools.product(doors, RICH):
        value = RICH[field]
        if isinstance(value, list):
            steps = [
                _steps(one.door, one.paths[0], field, value * times) for times in (40, 80, 160)
            ]
            assert steps[2] - steps[1] <= 2.5 * (steps[1] - steps[0]) + 500, (field, steps)


def test_no_door_lets_a_schema_in_that_is_too_large() -> None:
    kept = keeping(Turns(lambda: 0.0, most=0))
    format_ = {"type": "json_schema", "name": "x", "schema": LARGE}
    mime = "application/json"
    large: tuple[dict[str, Any], ...] = (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": LARGE}}]},
        {"tools": [{"type": "function", "name": "f", "parameters": LARGE}]},
        {"tools": [{"name": "f", "input_schema": LARGE}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": LARGE}]}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": LARGE}]}]},
        {"format": LARGE},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": LARGE}}},
        {"text": {"format": format_}},
        {"generationConfig": {"responseJsonSchema": LARGE, "responseMimeType": mime}},
        {"generationConfig": {"responseSchema": LARGE, "responseMimeType": mime}},
    )
    for one, fields in itertools.product((*DOORS, *kept), large):
        if hasattr(one.door, "read"):
            plain = {name: RICH[name] for name in ("model", "messages", "input", "contents")}
            body = json.dumps({**plain, **fields, "stream": False, "max_tokens": 5}).encode()
            try:
                asked = one.door.read(Call(body, path=one.paths[0], params={"model": "m"}))
            except ApiError:
                continue
            if isinstance(getattr(asked, "request", None), ChatRequest):
                within_bounds(asked.request)


def _steps(door: Any, path: str, field: str, value: Any) -> int:
    """The calls of functions that reading a body takes, refused or not."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    body = json.dumps({**RICH, field: value}).encode()
    sys.setprofile(count)
    try:
        door.read(Call(body, path=path, params={"model": "m", "id": "m"}))
    except ApiError:
        pass
    finally:
        sys.setprofile(None)
    return calls


# -- keys ------------------------------------------------------------------------------------

KEY, MISTAKEN = "key-of-a-client-51c7", "another-services-key-8f2e"


def shown(data: bytes, key: str) -> Iterator[bytes]:
    """The request with a key, in the way of each protocol."""
    for line in (f"Authorization: Bearer {key}", f"x-api-key: {key}", f"x-goog-api-key: {key}"):
        yield data.replace(b"\r\n", f"\r\n{line}\r\n".encode(), 1)
    yield data.replace(b" HTTP/1.1", f"?key={key} HTTP/1.1".encode(), 1)


def test_every_door_asks_for_a_key_and_tells_nobody(
    fakes: Fakes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = settings_for(
        fakes, tmp_path, api_keys=f"notes:{KEY}", admin_token="t" * 20, timeout=0.5
    )
    replies: list[Reply] = []
    with logged(Redactor(())) as log, serving(given) as server:
        for method, path in ways(server):
            if path == "/":  # says that somebody is there, and nothing else
                continue
            body = json.dumps({**RICH, "previous_response_id": None}).encode()
            is_writing = method in WRITING_METHODS
            data = post(body, path) if is_writing else request(method, path)
            data = data.replace(b"POST ", f"{method} ".encode(), 1)
            if ask(server.port, data).status == 415:
                data = data.replace(b"application/json", b"multipart/form-data; boundary=x")
            assert ask(server.port, data).status == 401, path
            for attempt in shown(data, MISTAKEN):
                replies.append(ask(server.port, attempt))
                assert replies[-1].status == 401, path
            for attempt in shown(data, KEY):
                replies.append(ask(server.port, attempt))
                assert replies[-1].status not in (0, 401, 500), (path, replies[-1])
        for path in ("/metrics", "/admin/api/status", "/admin/api/requests", "/nowhere"):
            headers = {"Authorization": f"Bearer {'t' * 20}"}
            replies.append(ask(server.port, request("GET", path, headers=headers)))
    printed = capfd.readouterr()
    texts = {
        "log": log.getvalue(),
        "printed": printed.out + printed.err,
        "answers": "".join(f"{one.headers}{one.body.decode('latin-1')}" for one in replies),
        "asked": "".join(repr(one) for fake in fakes.each() for one in fake.requests),
        **files_of(tmp_path),
    }
    assert_no_secret({**texts, "asked": ""})  # providers are shown their own key, and no other
    for name, text in texts.items():
        for key in (KEY, MISTAKEN):
            assert key not in text, name


def test_a_response_is_its_client_s_alone(fakes: Fakes, tmp_path: Path) -> None:
    keys = f"notes:{KEY},mail:{MISTAKEN}"
    mine, others = ({"Authorization": f"Bearer {key}"} for key in (KEY, MISTAKEN))
    with serving(settings_for(fakes, tmp_path, api_keys=keys)) as server:
        body = {"model": "ollama/llama3.2", "input": "Hello."}
        made = ask(server.port, post(body, "/v1/responses", **mine)).json
        path, item = f"/v1/responses/{made['id']}", made["output"][0]["id"]
        named = {**body, "input": [SAID, {"type": "item_reference", "id": item}]}
        gone_on = {**body, "previous_response_id": made["id"]}
        for shows, statuses in ((others, (404, 404, 404, 400, 404)), (mine, (200,) * 5)):
            found = (
                ask(server.port, request("GET", path, headers=shows)),
                ask(server.port, request("GET", f"{path}/input_items", headers=shows)),
                ask(server.port, post(named, "/v1/responses", **shows)),
                ask(server.port, post(gone_on, "/v1/responses", **shows)),
                ask(server.port, request("DELETE", path, headers=shows)),
            )
            assert tuple(one.status for one in found) == statuses
