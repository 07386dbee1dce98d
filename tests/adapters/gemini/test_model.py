"""What the model makes of a request to Gemini: its path, and what one that speaks or draws gets."""

from __future__ import annotations

import pytest

from adapters.base import AdapterError, ErrorKind, Json, Phase, ResponseFormat
from tests.adapters.gemini.kit import native


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.5-flash"])
def test_the_path_names_the_model_and_asks_for_a_stream_in_either_case(
    model: str, stream: bool
) -> None:
    call = native(model=model, stream=stream)
    assert call.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert (call.method, call.stream) == ("POST", True)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("gemini-2.5-flash", {"n": 2}),
        ("gemini-2.5-flash", {"params": {"logprobs": True}}),
        (
            "gemini-2.5-flash",
            {"extensions": {"gemini": {"generationConfig": {"candidateCount": 2}}}},
        ),
        ("gemini-2.5-flash-image", {}),
        ("gemini-2.5-flash-preview-tts", {"params": {"modalities": ["audio"]}}),
    ],
)
def test_what_comes_in_one_piece_is_asked_for_so(model: str, fields: Json) -> None:
    call = native(model=model, **fields)
    assert call.path == f"/v1beta/models/{model}:generateContent"
    assert not call.stream


@pytest.mark.parametrize(
    "model",
    [
        "", "../x", "a/../b", "tunedModels/x", "models/../files/x", "models/", "x#y", "x?key=1",
        "x:countTokens", "x%2f", "a b", "a\r\nb", "ä", "a//b", "x" * 129, "cachedContents/x",
    ],
)  # fmt: skip
def test_a_name_that_is_no_models_goes_nowhere(model: str) -> None:
    with pytest.raises(AdapterError) as caught:
        native(model=model)
    assert caught.value.kind is ErrorKind.MODEL_MISSING
    assert caught.value.phase is Phase.BEFORE_SEND


def test_a_tts_model_speaks_with_a_voice_of_its_own() -> None:
    call = native(
        model="gemini-2.5-flash-preview-tts",
        params={"modalities": ["audio"], "audio": {"voice": "alloy", "format": "wav"}},
    )
    assert call.body["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }
    assert call.warnings == ("changed=audio.voice",)


def test_a_format_that_needs_an_encoder_is_changed() -> None:
    audio = {"voice": "Kore", "format": "mp3"}
    call = native(model="gemini-2.5-flash-preview-tts", params={"audio": audio})
    assert call.body["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert call.warnings == ("changed=audio.format",)


def test_json_beside_functions_is_asked_for_in_words_of_older_models() -> None:
    fields: Json = {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "response_format": ResponseFormat(schema={"type": "string"}),
    }
    older = native(model="gemini-2.5-flash", **fields)
    assert "generationConfig" not in older.body
    assert '"string"' in older.body["systemInstruction"]["parts"][0]["text"]
    assert older.warnings == ("emulated=response_format",)
    newer = native(model="gemini-3-pro-preview", **fields)
    assert newer.body["generationConfig"]["responseJsonSchema"] == {"type": "string"}
    assert newer.warnings == ()


def test_a_model_that_draws_is_asked_for_images() -> None:
    call = native(model="gemini-2.5-flash-image", params={"modalities": ["image", "text"]})
    assert call.body["generationConfig"] == {"responseModalities": ["IMAGE", "TEXT"]}


def test_the_api_version_is_a_setting() -> None:
    assert native(settings={"api_version": "v1"}).path.startswith("/v1/models/")
