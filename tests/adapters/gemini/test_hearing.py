"""What Gemini hears: a chat about the file, for files that it can take."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Usage, Warn
from adapters.gemini.hearing import MAX_INLINE_BYTES
from adapters.tasks import Heard, Hears, TranscriptionRequest, TranslationRequest
from tests.adapters.gemini.kit import adapter, chunk
from tests.adapters.kit import FakeUpstream, json_reply

pytestmark = pytest.mark.anyio

SOUND = memoryview(b"\x00\xffRIFF")


async def told(
    upstream: FakeUpstream, kind: type[TranscriptionRequest] = TranscriptionRequest, **fields: Any
) -> list[Any]:
    file = {"audio": SOUND, "file_name": "a.m4a", "mime_type": "audio/mp4"}
    asked = kind(**{"model": "gemini-2.5-flash", **file, **fields})
    able = adapter(upstream.upstream)
    assert isinstance(able, Hears)
    return [event async for batch in able.hear(asked) for event in batch]


@pytest.mark.parametrize("kind", [TranscriptionRequest, TranslationRequest])
async def test_the_file_goes_along_and_the_text_comes_back(
    kind: type[TranscriptionRequest],
) -> None:
    body = chunk([{"text": " Hi "}, {"text": "all.\n"}], finish="STOP")
    upstream = FakeUpstream(json_reply(body))
    events = await told(
        upstream, kind, language="de", prompt="names", temperature=0, dropped=("include",)
    )

    [content] = upstream.sent["contents"]
    data, words = content["parts"]
    assert data["inlineData"] == {
        "mimeType": "audio/aac",
        "data": base64.b64encode(SOUND).decode(),
    }
    assert ("English" in words["text"]) is (kind is TranslationRequest)
    assert ("(de)" in words["text"]) is (kind is TranscriptionRequest)
    assert "names" in words["text"]
    assert [event for event in events if type(event) is Heard] == [Heard("Hi all.")]
    assert Warn("dropped=include") in events
    assert not [event for event in events if type(event) not in (Heard, Warn, Usage)][1:]


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"times": ("segment",)}, ErrorKind.UNSUPPORTED, "response_format"),
        ({"file_name": "a.txt", "mime_type": "text/plain"}, ErrorKind.UNSUPPORTED, "file"),
        ({"audio": memoryview(bytes(MAX_INLINE_BYTES + 1))}, ErrorKind.TOO_LARGE, "file"),
    ],
)
async def test_what_it_cannot_do_is_not_sent(
    fields: dict[str, Any], kind: ErrorKind, param: str
) -> None:
    upstream = FakeUpstream(json_reply({}))
    with pytest.raises(AdapterError) as caught:
        await told(upstream, **fields)

    assert (caught.value.kind, caught.value.param) == (kind, param)
    assert upstream.requests == []
