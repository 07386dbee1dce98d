"""Rows 28 to 34 and 37 of the fault matrix: what a provider says no to, and who is asked next."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from adapters.base import ErrorKind
from tests.faults.conftest import Build
from tests.faults.dialects import DIALECTS, encoded
from tests.faults.fake import Reply, refusal, stream, whole
from tests.faults.rows import NEXT, NO_PROVIDER, STREAMED, A
from tests.faults.world import KEYS, World

pytestmark = pytest.mark.anyio

AUTH = (502, "upstream_authentication_failed")


# 28, 29: server errors


@A
@STREAMED
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524, 501, 505])
async def test_rows_28_29_a_server_error_rotates_at_once(
    build: Build, a: str, streamed: bool, status: int
) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], status))

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:{status}", f"{NEXT[a]}:200"]
    assert world.time.now == 1000
    assert len(world.a.calls) == 1


@A
@STREAMED
async def test_row_28_nobody_left_is_asked_once_more_after_a_pause(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a)
    world.a.then(refusal(DIALECTS[a], 500))

    seen = await world.ask(stream=streamed)

    assert (seen.text, seen.attempts) == (world.a.dialect.text, [f"{a}:500", f"{a}:200"])
    assert 1000 < world.time.now <= 1008


@A
@STREAMED
async def test_row_28_who_stays_broken_is_asked_twice_and_no_sdk_multiplies_it(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a)
    world.a.always(refusal(DIALECTS[a], 500))

    seen = await world.ask(stream=streamed)

    assert (seen.outcome, seen.attempts) == (NO_PROVIDER, [f"{a}:500"] * 2)
    assert len(world.a.calls) == 2


@A
@STREAMED
@pytest.mark.parametrize("status", [409, 418, 451])
async def test_row_29_an_unknown_refusal_is_the_requests_own(
    build: Build, a: str, streamed: bool, status: int
) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], status))

    seen = await world.ask(stream=streamed)

    assert (seen.status, seen.attempts) == (400, [f"{a}:{status}"])
    assert len(world.a.calls) == 1
    assert world.b and world.b.calls == []


# 30: a dead key


def dead_key(a: str, status: int) -> Reply:
    message = f"API key not valid: {KEYS.get(a, 'none')}. Authorization: Bearer {KEYS.get(a)}"
    if status == 400:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        error = DIALECTS[a].error(message, "INVALID_ARGUMENT", details=[info])
        return whole(encoded(error), 400)
    return refusal(DIALECTS[a], status, message=message, code="invalid_api_key")


DEAD_KEYS = pytest.mark.parametrize(
    ("a", "status"),
    [("groq", 401), ("groq", 403), ("gemini", 400), ("gemini", 403), ("ollama", 401)],
)


@DEAD_KEYS
@STREAMED
async def test_row_30_a_dead_key_costs_one_call_and_is_loud(
    build: Build, a: str, status: int, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build(a, NEXT[a])
    world.a.always(dead_key(a, status))

    first = await world.ask(stream=streamed)
    assert first.attempts == [f"{a}:{status}", f"{NEXT[a]}:200"]
    for _ in range(20):
        assert (await world.ask(stream=streamed)).attempts == [f"{NEXT[a]}:200"]
        world.time.pass_(29)

    assert len(world.a.calls) == 1
    assert (world.status(a).state, world.status(a).kind) == ("cooling", ErrorKind.AUTH)
    [loud] = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert loud.getMessage().startswith(f"[{a}] refuses its key")


@DEAD_KEYS
@STREAMED
async def test_row_30_nobody_left_is_not_the_apps_own_key_at_fault(
    build: Build, a: str, status: int, streamed: bool
) -> None:
    world = await build(a)
    world.a.always(dead_key(a, status))

    async with world.sdk() as patient:
        for _ in range(3):
            seen = await world.ask(client=patient, stream=streamed)
            assert seen.outcome == AUTH
            assert seen.headers["x-should-retry"] == "false"
            assert KEYS.get(a, "none at all") not in str(seen.error)

    assert len(world.a.calls) == 1


async def test_row_30_a_mended_key_is_tried_at_once(build: Build) -> None:
    world = await build("groq", "gemini")
    world.a.then(dead_key("groq", 401))
    await world.ask()

    world.parts.health.try_again("groq")  # what its owner does who has seen to it

    assert (await world.ask()).attempts == ["groq:200"]


async def test_row_30_without_a_change_it_is_tried_every_ten_minutes(build: Build) -> None:
    world = await build("groq", "gemini")
    world.a.always(dead_key("groq", 401))

    for _ in range(120):
        assert (await world.ask()).status == 200
        world.time.pass_(15)

    assert len(world.a.calls) == 3


# 31: no such model


OUT_WITHOUT_MODEL_S = {"groq": 600, "gemini": 600, "ollama": 10}
"""At home a model can be pulled at any moment."""


@A
@STREAMED
async def test_row_31_a_model_of_ours_that_is_missing_rotates_and_stays_out(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], 404, code="model_not_found"))

    first = await world.ask(stream=streamed)
    second = await world.ask(stream=streamed)

    assert first.attempts == [f"{a}:404", f"{NEXT[a]}:200"]
    assert second.attempts == [f"{NEXT[a]}:200"]
    assert world.pause_s(a) == OUT_WITHOUT_MODEL_S[a]


@STREAMED
async def test_row_31_a_model_that_was_pulled_meanwhile_is_soon_found(
    build: Build, streamed: bool
) -> None:
    world = await build("ollama", "groq")
    world.a.then(refusal(DIALECTS["ollama"], 404, message="model 'local' not found"))
    await world.ask(stream=streamed)
    assert (await world.ask(stream=streamed)).attempts == ["groq:200"]

    world.time.pass_(10)

    assert (await world.ask(stream=streamed)).attempts == ["ollama:200"]


@A
@STREAMED
async def test_row_31_a_model_that_the_app_has_named_is_a_404(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], 404, code="model_not_found"))

    seen = await world.ask(f"{a}/nonesuch", stream=streamed)

    assert (seen.outcome, seen.attempts) == ((404, "model_not_found"), [f"{a}:404"])
    assert (await world.ask(stream=streamed)).attempts[0] == f"{a}:404"  # another model


# 32, 33: the request's own fault


@A
@STREAMED
async def test_row_32_a_bad_request_goes_nowhere_else(build: Build, a: str, streamed: bool) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], 400, message=f"top_p is odd, says {KEYS.get(a)}"))

    async with world.sdk() as patient:
        for _ in range(4):
            seen = await world.ask(stream=streamed, client=patient)
            assert (seen.status, seen.attempts) == (400, [f"{a}:400"])

    assert "top_p is odd" in str(seen.error)
    assert KEYS.get(a, "none at all") not in str(seen.error)
    assert len(world.a.calls) == 4
    assert world.status(a).state == "ready"


TOO_LONG = {
    "groq": refusal(
        DIALECTS["groq"], 400, message="Please reduce the length.", code="context_length_exceeded"
    ),
    "gemini": refusal(
        DIALECTS["gemini"],
        400,
        message="The input token count (2000000) exceeds the maximum allowed (1048576).",
        code="INVALID_ARGUMENT",
    ),
    "ollama": refusal(DIALECTS["ollama"], 400, message="exceeds the available context size"),
}


def lists_of(name: str, context: int | None) -> Any:
    """The provider's list of models as it tells how much the model takes; Ollama's never does."""
    match name:
        case "groq":
            return {"object": "list", "data": [{"id": "fast", "context_window": context}]}
        case "gemini":
            methods = ["generateContent"]
            row = {"name": "models/deep", "supportedGenerationMethods": methods}
            return {"models": [{**row, "inputTokenLimit": context}]}
        case _:
            return {"models": []}


async def world_with_windows(build: Build, a: str, own: int | None, next_: int | None) -> World:
    world = await build(a, NEXT[a])
    for name, context in ((a, own), (NEXT[a], next_)):
        fake = world.fakes[name]
        fake.dialect = replace(fake.dialect, lists=lists_of(name, context))
    world.a.always(TOO_LONG[a])
    return world


@pytest.mark.parametrize("a", ["groq", "ollama"])
@STREAMED
async def test_row_33_too_long_for_one_is_for_one_that_takes_more(
    build: Build, a: str, streamed: bool
) -> None:
    world = await world_with_windows(build, a, 8192, 131_072)

    for _ in range(4):
        seen = await world.ask(stream=streamed)
        assert seen.attempts == [f"{a}:400", f"{NEXT[a]}:200"]

    assert world.status(a).state == "ready"


@pytest.mark.parametrize(
    ("a", "own", "next_"),
    [
        ("groq", 131_072, 131_072),
        ("groq", 131_072, 8192),
        ("groq", 8192, None),
        ("groq", None, None),
        ("gemini", 1_048_576, None),
    ],
)
@STREAMED
async def test_row_33_too_long_goes_nowhere_that_is_not_known_to_take_more(
    build: Build, a: str, own: int | None, next_: int | None, streamed: bool
) -> None:
    world = await world_with_windows(build, a, own, next_)

    seen = await world.ask(stream=streamed)

    assert seen.outcome == (400, "context_length_exceeded")
    assert seen.attempts == [f"{a}:400"]
    assert world.status(a).state == "ready"
    assert world.b and world.b.calls == []


@STREAMED
async def test_row_33_too_long_for_all_has_the_code_that_apps_look_for(
    build: Build, streamed: bool
) -> None:
    world = await world_with_windows(build, "groq", 8192, 1_048_576)
    assert world.b
    world.b.always(TOO_LONG["gemini"])

    seen = await world.ask(stream=streamed)

    assert seen.outcome == (400, "context_length_exceeded")
    assert seen.attempts == ["groq:400", "gemini:400"]


# 34: filtered answers are answers


def blocked(streamed: bool) -> Reply:
    answer: Any = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}
    dialect = DIALECTS["gemini"]
    return stream(dialect, dialect.event(answer)) if streamed else whole(encoded(answer))


def filtered(streamed: bool) -> Reply:
    answer: Any = {"candidates": [{"finishReason": "SAFETY", "index": 0}]}
    dialect = DIALECTS["gemini"]
    return stream(dialect, dialect.event(answer)) if streamed else whole(encoded(answer))


@STREAMED
@pytest.mark.parametrize("refuse", [blocked, filtered])
async def test_row_34_a_filtered_answer_does_not_rotate(
    build: Build, streamed: bool, refuse: Any
) -> None:
    world = await build("gemini", "ollama")
    world.a.always(refuse(streamed))

    raw: Any = await world.client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "x"}], stream=streamed
    )

    reasons = [c.choices[0].finish_reason async for c in raw if c.choices] if streamed else None
    assert (reasons or [raw.choices[0].finish_reason])[-1] == "content_filter"
    assert world.fakes["ollama"].calls == []
    assert world.status("gemini").state == "ready"


# 37: who cannot do it


PICTURE: Any = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        ],
    }
]


@STREAMED
async def test_row_37_who_cannot_see_is_passed_over(build: Build, streamed: bool) -> None:
    world = await build("groq", "gemini", models={"groq": "llama-3.1-8b-instant"})

    seen = await world.ask("default", stream=streamed, messages=PICTURE)

    assert seen.attempts == ["gemini:200"]
    assert seen.headers["x-pointsman-warnings"] == "skipped=groq:messages[0].content[1]"
    assert world.a.calls == []


@STREAMED
async def test_row_37_nobody_can_see_names_who_could(build: Build, streamed: bool) -> None:
    world = await build("groq", "gemini")

    seen = await world.ask("groq/llama-3.1-8b-instant", stream=streamed, messages=PICTURE)

    assert seen.outcome == (400, "unsupported_feature")
    assert seen.error is not None and seen.error.param == "messages[0].content[1]"
    assert "gemini" in str(seen.error)
    assert [fake.calls for fake in world.fakes.values()] == [[], [], []]
