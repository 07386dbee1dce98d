"""Bodies that nobody has thought of: whatever comes in, an answer in OpenAI's form goes out.

And whatever a provider answers, nothing but our own words and events come of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from tests.fakes.server import Answer, Fault
from tests.security.bodies import PROVIDERS, bodies, junk
from tests.security.kit import (
    CHAT,
    Fakes,
    Reply,
    Threaded,
    connect,
    post,
    read_reply,
    serving,
    settings_for,
    sized,
)

BODIES = sized(200, 5000)
ANSWERS = sized(60, 2000)
FUZZ = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
STATUSES = {200, 400, 404, 413, 415}
UPSTREAM_STATUSES = {200, 400, 404, 413, 429, 502, 503, 504}


@pytest.fixture(scope="module")
def server(session_fakes: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Threaded]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serving(settings_for(session_fakes, folder, fetch_images="off", timeout=0.1)) as one:
        yield one


class Caller:
    """A connection that is kept as long as the server keeps it; a lost answer fails the test."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sock = connect(port)
        self.seen: Counter[int] = Counter()

    def ask(self, data: bytes) -> Reply:
        self._sock.sendall(data)
        reply = read_reply(self._sock)
        assert reply.status, "the connection was lost"
        self.seen[reply.status] += 1
        if reply.headers.get("connection") == "close":
            self._sock.close()
            self._sock = connect(self._port)
        return reply

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def caller(server: Threaded) -> Iterator[Caller]:
    one = Caller(server.port)
    yield one
    one.close()


def check(reply: Reply, statuses: set[int]) -> None:
    """A known status, OpenAI's form, and nothing of our own inside."""
    assert reply.status in statuses, reply
    for trace in (b"Traceback", b'File "', b"site-packages", b" object at 0x"):
        assert trace not in reply.body
    assert reply.headers["x-request-id"]
    if reply.headers["content-type"].startswith("text/event-stream"):
        *_, last = [line for line in reply.body.split(b"\n\n") if line]
        assert last == b"data: [DONE]" or b'"error"' in last, last
        return
    assert reply.headers["content-type"].startswith("application/json")
    if reply.status == 200:
        assert reply.json["object"] == "chat.completion"
        assert reply.json["choices"]
        return
    error = reply.json["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert error["message"]
    assert error["code"] != "internal_error"


def test_every_body_of_nearly_the_right_form_is_answered(
    server: Threaded, fakes: Fakes, caller: Caller
) -> None:
    @settings(FUZZ, max_examples=BODIES)
    @given(bodies)
    @example({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello."}]})
    @example({"model": "a//b", "messages": [{"role": "user", "content": "Hello."}]})
    def attempt(body: dict[str, Any]) -> None:
        for name in PROVIDERS:
            server.parts.health.forget(name)
        reply = caller.ask(post(json.dumps(body).encode("utf-8", "surrogatepass")))
        # The strict fakes answer 400 where our own checks let something through.
        check(reply, STATUSES)

    attempt()
    assert caller.seen.total() >= BODIES
    assert {200, 400, 404} <= set(caller.seen)


def test_every_heap_of_bytes_is_answered(fakes: Fakes, caller: Caller) -> None:
    good = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "é"}]}).encode()
    mangled = st.tuples(st.integers(0, len(good)), st.integers(0, len(good)), st.binary(max_size=6))
    mangled_bodies = mangled.map(lambda cut: good[: cut[0]] + cut[2] + good[cut[1] :])
    texts = junk.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))

    @settings(FUZZ, max_examples=BODIES)
    @given(st.binary(max_size=60) | texts | mangled_bodies)
    def attempt(body: bytes) -> None:
        check(caller.ask(post(body)), STATUSES)

    attempt()
    assert caller.seen.total() >= BODIES


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"model":"x","messages":[{"role":"user","content":' + b"[" * 500 + b"]" * 500 + b"}]}",
        b'{"model":"x","messages":[],"seed":' + b"9" * 5000 + b"}",
        b'{"model":"x","messages":[],"seed":1e999}',
        b'{"model":"x","messages":[],"seed":NaN}',
        b'{"model":"x","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"\\ud800","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"x","messages":[{"role":"user","content":"\xff"}]}',
        '{"model":"x"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"model":"x"}',
        b'{"model":"x","model":"y","messages":"z"}',
        orjson.dumps({"model": "x", "messages": [{"role": "user", "content": "x"}] * 5000}),
        orjson.dumps({"model": "x", "messages": [], "tools": [{}] * 5000}),
    ],
    ids=range(17),
)
def test_each_body_that_has_broken_others_is_a_400(
    fakes: Fakes, caller: Caller, body: bytes
) -> None:
    check(caller.ask(post(body)), {400, 413})
    assert fakes.chats == 0


# -- answers of providers ---------------------------------------------------------------------


def recorded(fakes: Fakes, caller: Caller, provider: str, stream: bool) -> Answer:
    """What the fake answers to a plain question, to be spoiled."""
    fake = fakes.by_name[provider]
    caller.ask(asking(provider, stream))
    return fake.answer([r for r in fake.requests if r.path.endswith(fake.chat_paths)][-1])


def asking(provider: str, stream: bool) -> bytes:
    said = [{"role": "user", "content": "Hello."}]
    body = {"model": PROVIDERS[provider], "messages": said, "stream": stream}
    return post(body, CHAT, **{"x-pointsman-fallback": "off"})


def spoiled(whole: bytes) -> st.SearchStrategy[bytes]:
    """The answer with a piece cut out, put in, or said otherwise; or something else."""
    places = st.integers(0, len(whole))
    cut = st.tuples(places, places, st.binary(max_size=8)).map(
        lambda found: whole[: found[0]] + found[2] + whole[found[1] :]
    )
    words = st.sampled_from([b'"', b"{", b"[", b":", b"null", b"\n", b"data: ", b"true", b"1"])
    swapped = st.tuples(words, junk).map(
        lambda pair: whole.replace(pair[0], json.dumps(pair[1]).encode("utf-8", "surrogatepass"), 1)
    )
    return cut | cut | swapped | values(whole) | st.binary(max_size=50)


def values(whole: bytes) -> st.SearchStrategy[bytes]:
    """The answer with one of its JSON values replaced by anything."""
    lines = whole.split(b"\n")
    at = [i for i, line in enumerate(lines) if b"{" in line]

    @st.composite
    def replaced(draw: st.DrawFn) -> bytes:
        number = draw(st.sampled_from(at))
        start = lines[number].index(b"{")
        try:
            value = json.loads(lines[number][start:])
        except ValueError:
            return whole
        node: Any = value
        while isinstance(node, (dict, list)) and node:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = draw(st.sampled_from(list(keys)))
            if not isinstance(node[key], (dict, list)) or not node[key] or draw(st.booleans()):
                node[key] = draw(junk)
                break
            node = node[key]
        line = lines[number][:start] + json.dumps(value).encode("utf-8", "surrogatepass")
        return b"\n".join([*lines[:number], line, *lines[number + 1 :]])

    return replaced() if at else st.just(whole)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_answer_of_a_provider_becomes_one_of_ours(
    server: Threaded,
    fakes: Fakes,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    stream: bool,
) -> None:
    server.parts.health.forget(provider)
    good = recorded(fakes, caller, provider, stream)
    whole = b"".join(good.body)
    fake = fakes.by_name[provider]
    monkeypatch.setattr(fake, "interval_s", 0.002 * stream)  # the halves come one by one
    statuses = st.sampled_from([200] * 8 + [201, 204, 400, 401, 404, 429, 500, 503])

    @settings(FUZZ, max_examples=ANSWERS // 2)
    @given(spoiled(whole), statuses)
    def attempt(body: bytes, status: int) -> None:
        server.parts.health.forget(provider)
        halves = (body[: len(body) // 2], body[len(body) // 2 :])
        pieces = tuple(filter(None, halves)) if stream else (body,)
        answer = Answer(status, good.headers, pieces, chunked=status != 204)
        fake.then(*[Fault(answer)] * 4)
        check(caller.ask(asking(provider, stream)), UPSTREAM_STATUSES)
        fake.script.clear()

    attempt()
    assert caller.seen.total() >= ANSWERS // 2
    assert {200, 502} <= set(caller.seen)
