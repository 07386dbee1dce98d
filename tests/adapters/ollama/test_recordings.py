"""Every recorded exchange with Ollama's native chat, read anew by a few lines of the test's own."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from adapters.base import AdapterError, ChatRequest, ErrorKind, Event, Json, Start
from adapters.ollama.adapter import OllamaAdapter, OllamaSettings
from adapters.wire.bounds import iso_time
from tests.adapters.kit import DictMemory, FakeUpstream, Folded, Reply, collect, fold
from tests.recordings import Recording, load
from tests.sampling import spread

pytestmark = pytest.mark.anyio

ALL = load("ollama")
OTHER_APIS = ("compat-", "embed", "generate", "models")  # /v1, /api/embed, /api/generate, /api/tags
CHATS = [r for r in ALL if r.status == 200 and not r.kind.startswith(OTHER_APIS)]
STREAMS = [r for r in CHATS if r.is_stream]
MODELS = [r for r in ALL if r.kind == "models"]
ERRORS = [r for r in ALL if r.status >= 400 and not r.kind.startswith(OTHER_APIS)]
MAX_CUTS = 150

if not ALL:
    pytest.skip("the recordings are not at hand", allow_module_level=True)


def _each(recordings: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", recordings, ids=lambda r: r.id)


def _adapter(fake: FakeUpstream) -> OllamaAdapter:
    return OllamaAdapter(OllamaSettings(), fake.upstream, DictMemory())


async def _replay(recording: Recording, *pieces: bytes) -> list[Event]:
    content_type = "application/x-ndjson" if recording.is_stream else "application/json"
    reply = Reply(pieces or (recording.body,), content_type, recording.status)
    request = ChatRequest(
        model=recording.model,
        messages=[{"role": "user", "content": "Hi"}],
        stream=recording.is_stream,
    )
    return await collect(_adapter(FakeUpstream(reply)), request)


def _objects(recording: Recording) -> list[Json]:
    return [json.loads(line) for line in recording.body.split(b"\n") if line.strip()]


def _joined(objects: list[Json], key: str) -> str:
    return "".join(o["message"].get(key) or "" for o in objects)


def test_every_recorded_kind_is_replayed_or_of_another_api() -> None:
    replayed = {r.id for r in [*CHATS, *MODELS, *ERRORS]}
    left = Counter(r.kind.split("-")[0] for r in ALL if r.id not in replayed)
    assert set(left) <= {"compat", "embed", "generate"}
    assert len(replayed) > 40


@_each(CHATS)
async def test_a_recorded_answer_says_the_same(recording: Recording) -> None:
    folded: Folded = fold(await _replay(recording))
    objects = _objects(recording)
    last = objects[-1]
    calls: list[Any] = [c["function"] for o in objects for c in o["message"].get("tool_calls", [])]
    assert folded.text == _joined(objects, "content")
    assert folded.reasoning == _joined(objects, "thinking")
    assert folded.calls == [(call["name"], call["arguments"]) for call in calls]
    length = last["done_reason"] == "length"
    assert folded.finish == ["length" if length else "tool_calls" if calls else "stop"]
    (usage,) = folded.usage
    counts = last.get("prompt_eval_count", 0), last.get("eval_count", 0)
    assert (usage.prompt, usage.completion) == counts


@_each(CHATS)
async def test_a_recorded_answer_begins_with_model_and_time(recording: Recording) -> None:
    (start,) = [event for event in await _replay(recording) if isinstance(event, Start)]
    first = _objects(recording)[0]
    assert start.model == first["model"]
    assert start.created is not None


@_each(STREAMS)
async def test_a_recorded_stream_cut_anywhere_is_the_same_or_an_error(recording: Recording) -> None:
    body = recording.body
    whole = await _replay(recording)
    end = len(body.rstrip())
    stride = max(1, len(body) // MAX_CUTS)
    for at in spread([*range(1, end, stride), *range(end - 20, end)]):
        with pytest.raises(AdapterError) as caught:
            await _replay(recording, body[:at])
        assert caught.value.kind is ErrorKind.BAD_RESPONSE
    for at in spread([*range(1, len(body), stride), end]):
        assert await _replay(recording, body[:at], body[at:]) == whole
    assert await _replay(recording, body[:end]) == whole


@_each(ERRORS)
async def test_a_recorded_error_has_its_kind(recording: Recording) -> None:
    with pytest.raises(AdapterError) as caught:
        await _replay(recording)
    text = json.loads(recording.body)["error"]
    unsupported = "does not support" in text
    missing = ErrorKind.MODEL_MISSING if recording.status == 404 else ErrorKind.BAD_REQUEST
    assert caught.value.kind is (ErrorKind.UNSUPPORTED if unsupported else missing)
    assert caught.value.status == recording.status


@_each(MODELS)
async def test_a_recorded_list_of_models_is_read(recording: Recording) -> None:
    models = await _adapter(FakeUpstream(Reply((recording.body,)))).models()
    assert [model.id for model in models] == [
        entry["name"] for entry in json.loads(recording.body)["models"]
    ]
    assert all(model.created > 0 for model in models)


# created_at


@given(
    moment=st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001
    fraction=st.from_regex(r"(\.[0-9]{1,9})?", fullmatch=True),
    hours=st.integers(-12, 14),
)
def test_a_time_is_read_with_any_fraction_and_offset(
    moment: Any, fraction: str, hours: int
) -> None:
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))
    text = f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{moment:%z}"
    offset = text[-5:]
    text = f"{text[:-5]}{offset[:3]}:{offset[3:]}"
    assert iso_time(text) == int(moment.timestamp())
    utc = f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
    assert iso_time(utc) == int(moment.timestamp()) + hours * 3600


@given(st.text(max_size=30) | st.integers() | st.none() | st.just("0001-01-01T00:00:00Z"))
def test_what_is_no_time_is_none_or_a_second_since_1970(value: Any) -> None:
    seconds = iso_time(value)
    assert seconds is None or seconds >= 0
