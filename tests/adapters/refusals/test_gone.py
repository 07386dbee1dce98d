"""By which words a refusal says that the model is not there, and by which something else."""

from __future__ import annotations

from adapters.refusals.gone import is_gone

GONE = (
    "The model `mixtral-8x7b-32768` has been decommissioned and is no longer supported.",
    "The model `llama-9` does not exist or you do not have access to it.",
    "models/gemini-1.5-pro is not found for API version v1beta, or is not supported for"
    " generateContent. Call ListModels to see the list of available models.",
    "Gemini 1.0 Pro Vision has been deprecated on July 12, 2024. Consider switching to another.",
    "This model models/gemini-2.0-flash is no longer available to new users.",
    "* GenerateContentRequest.model: unexpected model name format",
    'model "x:1b" not found, try pulling it first',
    "gpt-oss:20b-cloud was retired",
    "Model Not Exist",
    "Model llama-9 not found",
    "Invalid model: llama-9",
    "llama-9 is not a valid model ID",
    "The requested model is not supported.",
)
OTHERS = (
    "",
    "The `functions` parameter is deprecated",
    "previous_response_id was retired",
    "topP is deprecated and cannot be set",
    "temperature has been deprecated for this model",
    "The model parameter is deprecated",
    "API version v1alpha has been retired",
    "Your account was retired",
    "tool `x` does not exist",
    "tool_use_failed: model called a tool that does not exist",
    "file not found for model",
    "invalid model output format",
    "This model is not supported with tool use",
    "The model does not support tools",
    "Unsupported parameter: 'max_tokens' is not supported with this model.",
    "Function calling is not enabled for models/gemma-3",
    "models are not available in your country",
)


def test_a_model_that_is_gone_is_told_by_the_words_of_any_provider() -> None:
    assert [message for message in GONE if not is_gone(message)] == []


def test_what_is_said_of_anything_else_takes_no_model_away() -> None:
    assert [message for message in OTHERS if is_gone(message)] == []


def test_a_long_text_is_read_in_a_moment() -> None:
    for part in ("model ", "model: 'a' ", "a.1 ", "has been "):
        assert not is_gone(part * 20_000)
