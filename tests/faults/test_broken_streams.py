"""Rows 7, 11, 12 and 18 of the fault matrix: after the first content a failure is loud.

Nothing of another model is ever put behind words that have gone out.
"""

from __future__ import annotations

import openai
import pytest

from adapters.base import ErrorKind
from tests.faults.conftest import Build
from tests.faults.dialects import Dialect
from tests.faults.fake import PAUSE, Reply, chunk, head, stream
from tests.faults.rows import CHUNKED, NEXT, WITH_B, A, world_of
from tests.faults.world import MESSAGES, PATIENCE_S, SILENCE_S

pytestmark = pytest.mark.anyio


def broken_stream(dialect: Dialect, how: str) -> Reply:
    parts = dialect.streamed(dialect.words)
    begun = parts.opening + b"".join(parts.words[:2])
    start = head(200, dialect.stream_type, CHUNKED) + chunk(begun)
    match how:
        case "stall":
            return Reply((start,), "hang")
        case "close" | "reset":
            return Reply((start,), how)
        case "no end mark":
            return stream(dialect, begun)
        case "error event":
            error = dialect.error("It broke.", "INTERNAL", status_code=500)
            return stream(dialect, begun, PAUSE, dialect.event(error))
    return stream(dialect, begun, PAUSE, dialect.event("?").replace(b'"', b"{"))


AFTER_CONTENT = {
    "stall": "upstream_stalled",
    "close": "upstream_error",
    "reset": "upstream_error",
    "no end mark": "upstream_invalid_response",
    "error event": "no_provider_available",
    "garbage": "upstream_invalid_response",
}


@A
@pytest.mark.parametrize("how", AFTER_CONTENT)
@WITH_B
async def test_rows_7_11_12_18_a_stream_that_breaks_after_content_is_loud(
    build: Build, a: str, how: str, with_b: bool
) -> None:
    silence_s = SILENCE_S if how == "stall" else PATIENCE_S
    world = await world_of(build, a, with_b, silence_s=silence_s)
    await world.ask()  # what is done once is done, before time counts
    world.a.calls.clear()
    world.a.always(broken_stream(world.a.dialect, how))

    for _ in range(3):
        seen = await world.ask(stream=True)
        assert seen.text == "These words "
        assert type(seen.error) is openai.APIError
        assert seen.code == AFTER_CONTENT[how]
        await world.settled()

    assert world.status(a).state == "open"
    assert [len(fake.calls) for fake in world.fakes.values() if fake is not world.a] == [0, 0]


@A
@WITH_B
async def test_row_18_an_error_that_begins_a_stream_counts_by_its_code(
    build: Build, a: str, with_b: bool
) -> None:
    """A limit in a 200 is a limit: it rotates, and the provider is left alone for a while."""
    world = await world_of(build, a, with_b)
    dialect = world.a.dialect
    code = {"groq": "rate_limit_exceeded", "gemini": "RESOURCE_EXHAUSTED"}.get(a)
    error = dialect.error("rate limit reached", code)
    world.a.always(stream(dialect, dialect.event(error)))

    seen = await world.ask(stream=True)

    assert seen.attempts[1:] == [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else (429, "rate_limit_exceeded"))
    assert (world.status(a).kind, world.pause_s(a)) == (ErrorKind.RATE_LIMIT, 5)


@A
@pytest.mark.parametrize("how", AFTER_CONTENT)
async def test_a_broken_stream_ends_with_the_error_and_no_done(
    build: Build, a: str, how: str
) -> None:
    silence_s = SILENCE_S if how == "stall" else PATIENCE_S
    world = await world_of(build, a, with_b=True, silence_s=silence_s)
    await world.ask()
    world.a.always(broken_stream(world.a.dialect, how))

    raw = await world.client._client.post(
        f"{world.url}/chat/completions",
        json={"model": "gpt-4o", "stream": True, "messages": MESSAGES},
    )

    assert raw.status_code == 200
    *_, last, end = raw.text.split("\n\n")
    assert last.startswith('data: {"error":{')
    assert end == ""
    assert "[DONE]" not in raw.text
