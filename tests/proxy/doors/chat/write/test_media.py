"""Images, audio, annotations and logprobs, in a stream and in the single object."""

from __future__ import annotations

import base64

from adapters.base import Annotation, Event, Finish, Json, Logprobs, Media, Text
from tests.proxy.doors.chat.write.kit import (
    CITATION,
    LOGPROB,
    chunks_of,
    deltas_of,
    message_of,
    object_of,
)


def test_images_are_data_urls_with_a_place_in_the_list() -> None:
    events: list[Event] = [Media("image/png", "AAAA"), Media("image/webp", "BBBB"), Finish("stop")]

    def entry(url: str) -> Json:
        return {"type": "image_url", "image_url": {"url": url}}

    expected = [entry("data:image/png;base64,AAAA"), entry("data:image/webp;base64,BBBB")]
    assert message_of(events)["images"] == expected
    assert [delta["images"] for delta in deltas_of(events)[1:3]] == [
        [{"index": i, **image}] for i, image in enumerate(expected)
    ]


def test_pieces_of_audio_are_one_audio() -> None:
    pieces = [b"\x00\x01", b"\x02", b"\x03\x04\x05\x06"]
    events: list[Event] = [
        *(Media("audio/wav", base64.b64encode(piece).decode()) for piece in pieces),
        Finish("stop"),
    ]

    audio = message_of(events)["audio"]
    assert base64.b64decode(audio["data"]) == b"".join(pieces)
    assert message_of(events)["content"] is None
    streamed = [delta["audio"] for delta in deltas_of(events)[1:-1]]
    assert [base64.b64decode(piece["data"]) for piece in streamed] == pieces
    assert [set(piece) for piece in streamed] == [set(audio), {"data"}, {"data"}]


def test_one_piece_of_audio_stays_as_the_provider_wrote_it() -> None:
    assert message_of([Media("audio/wav", "not base64")])["audio"]["data"] == "not base64"


def test_annotations_are_listed() -> None:
    events: list[Event] = [Text("x"), Annotation(CITATION), Annotation(CITATION), Finish("stop")]

    assert message_of(events)["annotations"] == [CITATION, CITATION]
    streamed = [delta["annotations"] for delta in deltas_of(events) if "annotations" in delta]
    assert streamed == [[{"index": 0, **CITATION}], [{"index": 1, **CITATION}]]


def test_what_openai_has_no_annotation_for_stands_apart() -> None:
    other = {"type": "document_citation", "document_citation": {"document_id": "d"}}
    events: list[Event] = [Text("x"), Annotation(other), Finish("stop")]
    message = message_of(events)
    assert message["citations"] == [other]
    assert "annotations" not in message
    assert {"citations": [{"index": 0, **other}]} in deltas_of(events)


def test_logprobs_are_listed() -> None:
    events: list[Event] = [Text("a"), Logprobs([LOGPROB]), Logprobs([LOGPROB]), Finish("stop")]

    found = [chunk["choices"][0]["logprobs"] for chunk in chunks_of(events)]
    assert found == [None, None, *[{"content": [LOGPROB], "refusal": None}] * 2, None]
    assert object_of(events)["choices"][0]["logprobs"]["content"] == [LOGPROB, LOGPROB]
