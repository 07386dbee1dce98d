"""What refusals say that a model cannot do: the same reading for all providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from adapters.base import AdapterError, Cannot, ErrorKind, Phase
from adapters.compatible.errors import refusal
from adapters.gemini.errors import refusal as gemini_refusal
from adapters.groq.adapter import house
from adapters.ollama.errors import refusal_error
from adapters.refusals.cannot import cannot

LASTING: Mapping[str, str] = {
    "registry.ollama.ai/library/gemma3:4b does not support tools": "tools",
    "`tool calling` is not supported with this model": "tools",
    "Function calling is not enabled for models/gemma-3-1b-it": "tools",
    "This model does not support image input": "images",
    "Image input modality is not enabled for models/gemma-3-1b-it": "images",
    "this model is missing data required for image input": "images",
    "'messages.0' : for 'role:user' the following must be satisfied[('messages.0.content' : "
    "value must be a string)]": "images",
    "Audio input modality is not enabled for models/gemma-3-1b-it": "audio",
    "logprobs are not supported with this model": "logprobs",
    "Unsupported MIME type: image/gif": "image/gif",
    "The image format HEIC is not supported.": "image/heic",
    "The specified schema produces a constraint that has too many states for serving.": "schema",
    "A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.": (
        "schema"
    ),
}
LIMITS: Mapping[str, str] = {
    "Too many images provided. This model supports up to 5 images": "images",
    "The maximum number of function declarations is 128.": "tools",
    "Image exceeds the maximum size of 4MB": "image_size",
    "The image is too large: at most 33177600 pixels": "image_size",
}
PASSING: Mapping[str, str] = {
    "Failed to load image or audio file": "images",
    "Unable to process input image. Please retry": "images",
    "The model could not process the image": "images",
    "Provided image is not valid.": "images",
    "Unsupported image format. Use one of: png, jpeg, webp, gif": "images",
    "The requested combination of response modalities (TEXT) is not supported by the model. "
    "models/x-tts accepts: AUDIO": "modalities",
    "tool_choice 'required' is not supported with this model": "tool_choice",
    "Tool use with a response mime type: 'application/json' is unsupported": "tools",
    "unsupported file type application/zip": "files",
}
NOTHING = (
    "temperature must be less than 2",
    "'messages' : minimum number of items is 1",
    "Please ensure that function call turn comes immediately after a user turn",
    'Invalid JSON payload received. Unknown name "tools_": Cannot find field.',
    "API key not valid. Please pass a valid API key.",
    "Request contains an invalid argument.",
)


def test_what_is_said_of_the_model_lasts() -> None:
    for message, what in LASTING.items():
        found = cannot(message)
        assert found and (found.what, found.lasts, found.is_limit) == (what, True, False), message


def test_a_limit_is_told_from_what_cannot_be_done_at_all() -> None:
    for message, what in LIMITS.items():
        found = cannot(message)
        assert found and (found.what, found.lasts, found.is_limit) == (what, True, True), message


def test_what_may_be_of_this_request_alone_does_not_last() -> None:
    for message, what in PASSING.items():
        found = cannot(message)
        assert found and (found.what, found.lasts) == (what, False), message


def test_other_mistakes_are_none_of_the_model() -> None:
    assert [message for message in NOTHING if cannot(message)] == []


def _response(error: object) -> httpx.Response:
    return httpx.Response(400, json={"error": error}, request=httpx.Request("POST", "http://x"))


REFUSALS: Mapping[str, Callable[[str], AdapterError]] = {
    "groq": lambda text: refusal(house(""), _response({"message": text}), Phase.BEFORE_CONTENT),
    "gemini": lambda text: gemini_refusal(
        _response({"code": 400, "message": text, "status": "INVALID_ARGUMENT"})
    ),
    "ollama": lambda text: refusal_error(text, 400, model="m"),
}


def test_every_provider_rotates_by_them_and_says_what_it_said() -> None:
    for provider, refused in REFUSALS.items():
        for message in (*LASTING, *LIMITS, *PASSING):
            error = refused(message)
            told = (error.provider, error.kind, error.cannot)
            assert told == (provider, ErrorKind.UNSUPPORTED, cannot(message)), message
            assert error.param
        for message in NOTHING:
            assert refused(message).cannot is None


def test_a_picture_that_breaks_ollamas_runner_is_no_fault_of_the_server() -> None:
    error = refusal_error("failed to process inputs: image: unknown format", 500, model="m")

    assert (error.kind, error.cannot) == (ErrorKind.UNSUPPORTED, Cannot("images", "messages"))
    assert "unknown format" in error.message
    broken = refusal_error("unable to load model: it is not supported", 500, model="m")
    assert (broken.kind, broken.cannot) == (ErrorKind.SERVER, None)
