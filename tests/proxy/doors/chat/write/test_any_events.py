"""Whatever events come, chunks and single object tell the same message."""

from __future__ import annotations

import base64
import copy
import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings, strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    RateLimits,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.doors.chat.write import ChunkStream, Fold
from tests.proxy.doors.chat.write.kit import (
    AWKWARD,
    CITATION,
    LOGPROB,
    chunks_of,
    head,
    object_of,
    stream_of,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.just(AWKWARD)
INDEXES = st.integers(0, 2)
BYTES = st.integers(0, 3).map(lambda n: base64.b64encode(b"abc" * n).decode())
CONTENT = st.one_of(
    st.builds(Text, TEXTS, INDEXES),
    st.builds(Reasoning, TEXTS, INDEXES),
    st.builds(Refusal, TEXTS, INDEXES),
    st.builds(Annotation, st.just(CITATION), INDEXES),
    st.builds(Logprobs, st.just([LOGPROB]), INDEXES),
    st.builds(Media, st.just("image/png"), BYTES, INDEXES),
    st.builds(Media, st.just("audio/wav"), BYTES, INDEXES),
    st.builds(
        lambda key, arguments, index: ToolCall(
            key, f"f{key}", arguments, id=f"call_{index}_{key}", index=index
        ),
        st.sampled_from([0, 1, "a"]),
        TEXTS,
        INDEXES,
    ),
    st.builds(Finish, st.sampled_from(["stop", "length", "tool_calls", "content_filter"]), INDEXES),
    st.builds(Warn, TEXTS),
    st.builds(RateLimits),
    st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9)),
)
EVENTS = st.builds(
    lambda start, content: [*start, *content, *(Finish("stop", i) for i in range(3)), Usage(4, 5)],
    st.lists(st.builds(Start, id=st.just("x"), model=TEXTS, service_tier=st.just("flex"))),
    st.lists(CONTENT, max_size=20),
)


def told(choice: Json) -> Json:
    """A choice as far as stream and object must agree: list places and made-up ids taken out."""
    message = copy.deepcopy(choice["message"])
    for name in ("tool_calls", "images", "annotations"):
        for entry in message.get(name) or ():
            entry.pop("index", None)
            entry.get("function", {}).pop("parsed_arguments", None)
    message.pop("parsed", None)
    if message.get("audio"):
        message["audio"] = message["audio"]["data"]
    message["content"] = message["content"] or None
    message = {name: value for name, value in message.items() if value not in (None, "")}
    logprobs = (choice.get("logprobs") or {}).get("content")
    return {"message": message, "finish": choice["finish_reason"], "logprobs": logprobs}


@settings(max_examples=60)
@given(EVENTS, st.booleans())
def test_openais_own_accumulator_folds_a_stream_to_our_single_object(
    events: list[Event], legacy: bool
) -> None:
    ours = object_of(events, legacy=legacy)
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks_of(events, usage=True, legacy=legacy):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    theirs = state.current_completion_snapshot.to_dict()

    for name in ("id", "created", "model", "system_fingerprint", "service_tier", "usage"):
        assert theirs.get(name) == ours.get(name)
    assert [choice["index"] for choice in ours["choices"]] == [0, 1, 2]
    assert list(map(told, theirs["choices"])) == list(map(told, ours["choices"]))


@settings(max_examples=60)
@given(EVENTS, st.lists(st.integers(0, 24), max_size=6))
def test_how_events_come_in_batches_changes_nothing(events: list[Event], cuts: list[int]) -> None:
    events = [e for e in events if not (isinstance(e, Media) and e.mime_type == "audio/wav")]
    places = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    stream = ChunkStream(head(), include_usage=True, legacy_functions=False)
    fold = Fold(head(), legacy_functions=False)
    body = b""
    for start, end in pairwise(places):
        body += stream.feed(events[start:end])
        fold.feed(events[start:end])

    assert body + stream.end() == stream_of(events, usage=True)
    assert json.loads(fold.end()) == object_of(events)
