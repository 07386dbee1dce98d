"""What refusals mean, in the words of gateways and servers as people have reported them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from adapters.base import AdapterError, ErrorKind, Phase
from adapters.bedrock.errors import failure
from adapters.compatible.errors import House, refusal
from adapters.gemini.errors import api_error

SPENT = (
    'The free tier of the model has been exhausted. Please disable the "use free tier only" mode.'
)
WORDS: Mapping[ErrorKind, Mapping[str, int]] = {
    ErrorKind.CONTEXT: {
        "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)": 400,
        "max_tokens must be at least 1, got -186.": 400,
        "Prompt exceeds max length": 400,
        "Prompt tokens limit exceeded: 69120 > 36608. To increase, visit the settings": 402,
        "tokens in request more than max tokens allowed": 400,
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000": 400,
        "Context overflow: the prompt (12000 tokens) does not fit": 400,
        "Request prompt has 9000 tokens, larger than the model input length limit 8192.": 400,
        "输入长度超过模型最大上下文长度": 400,
    },
    ErrorKind.UNSUPPORTED: {
        'Error rendering prompt with jinja template: "No user query found in messages.".': 400,
        "Conversation roles must alternate user/assistant/user/assistant/...": 400,
        "image input is not supported - hint: you may need to provide the mmproj": 500,
        "tools param requires --jinja flag": 500,
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser': 400,
        "x/y is not a multimodal model": 400,
        "messages[1]: unknown variant `image_url`, expected `text` at line 1": 400,
        "No endpoints found that support tool use.": 404,
        "tools.function.parameters is not a valid moonshot flavored json schema": 400,
        "Failed to initialize samplers: failed to parse grammar": 400,
        "JSON schema conversion failed:\nError resolving ref #/definitions/x": 400,
        "Unable to generate parser for this template. While executing CallExpression": 400,
        "Only 'auto' or 'none' tool_choice is supported with Harmony": 501,
        "Invalid tool_choice type: 'object'. Supported string values: none, auto, required": 400,
        "Only text tool_result blocks are supported when its content is an array.": 400,
        "Invalid 'content' type. Expected one of: ['str'], got list.": 400,
        "Argument not supported on this model: stop": 400,
        "This model cannot process images": 400,
        "Live search is deprecated. Please switch to the Agent Tools API": 410,
        "After the system message(s), user and assistant roles should be alternating.": 400,
        "Reasoning is mandatory for this endpoint and cannot be disabled.": 400,
        "`temperature` and `top_p` cannot both be specified for this model.": 400,
        "Invalid content type. input_audio is only supported by certain models.": 400,
        'Invalid JSON payload received. Unknown name "store": Cannot find field.': 400,
    },
    ErrorKind.MODEL_MISSING: {
        "No models loaded. Please load a model in the developer page.": 400,
        "LLM Provider NOT provided. You passed model=x": 400,
        "key not allowed to access model. This key can only access models=['a']": 401,
        "team not allowed to access model. This team can only access models=['a']": 403,
        "This token has no access to model x": 403,
        "Your current subscription plan does not yet include access to GLM-5": 429,
        "No models are currently loaded.": 400,
        "could not find real modelID for x": 400,
        "Upstream request failed: Model is unavailable.": 400,
        "Model kimi-k2 is disabled": 401,
        "Model grok-code not supported": 401,
        "Model 'gpt-5' is not allowed for this virtual key": 403,
        "You do not have permission to access glm-5": 403,
    },
    ErrorKind.ACCOUNT: {
        "No deployments available - crossed budget: Exceeded budget for deployment x": 429,
        "Portkey Error: Usage limits exceeded": 412,
        "余额不足或无可用资源包,请充值。": 429,
        "该令牌额度已用尽": 401,
        "Your account org-x<ak-y> is suspended, please check your plan": 429,
        "Key limit exceeded (total limit). Manage it using the settings": 403,
        "Your GLM Coding Plan package has expired": 429,
        "Inactive subscription or usage limit reached": 401,
        "insufficient balance (1008)": 500,
    },
    ErrorKind.QUOTA_DAY: {
        SPENT: 403,
        "Out of call volume quota. Quota will be replenished in 12:34:56.": 403,
        "Rate limit exceeded: free-models-per-day-high-balance.": 429,
        "request reached organization TPD rate limit, current: 15, limit: 15": 429,
        "you have reached your session usage limit, upgrade for higher limits": 429,
        "you have used up your daily free allocation of 10,000 neurons": 429,
        "You have exceeded today's quota for model x, please try again tomorrow": 429,
        "You are using a Trial key, which is limited to 1000 API calls / month.": 429,
        "week allocated quota exceeded.": 429,
        "You have reached the daily request limit for this model": 429,
        "The usage limit has been reached": 429,
        "You have reached your specified API usage limits.": 400,
        "All credentials for model x are cooling down, try again in 2 days": 429,
    },
    ErrorKind.RATE_LIMIT: {
        "Rate limit exceeded: free-models-per-min.": 429,
        "Request rate increased too quickly. To ensure stability, scale smoothly": 400,
        "You exceeded your current quota, please check your plan and billing details.": 429,
    },
    ErrorKind.BAD_REQUEST: {
        "Content violates usage guidelines.": 403,
        "Your chosen model requires moderation and your input was flagged": 403,
        "The content you provided or machine outputted is blocked.": 451,
    },
    ErrorKind.LOADING: {"Model Qwen/Qwen3 is currently loading": 503},
    ErrorKind.AUTH: {"Access to the chat endpoint is denied.": 403},
    ErrorKind.TOO_LARGE: {"You requested up to 65536 tokens, but can only afford 30104.": 402},
    ErrorKind.SERVER: {
        "Model is unloaded.": 400,
        "Error from provider: endpoint is unavailable": 400,
        "Function id 'x': DEGRADED function cannot be invoked": 400,
        "Failed to load the model: no image processor is supported": 500,
    },
    ErrorKind.MALFORMED_ANSWER: {"error parsing tool call: raw='ls', err=invalid character": 500},
}


def refused(status: int, error: Mapping[str, Any]) -> AdapterError:
    content = json.dumps({"error": error}).encode()
    request = httpx.Request("POST", "http://127.0.0.1/")
    response = httpx.Response(status, content=content, request=request)
    return refusal(House("openai", "A", "A_API_KEY"), response, Phase.BEFORE_CONTENT)


def test_words_tell_what_a_status_does_not() -> None:
    for kind, told in WORDS.items():
        for words, status in told.items():
            assert refused(status, {"message": words}).kind is kind, words


def test_a_type_tells_it_where_there_is_no_code() -> None:
    for kind in ("budget_exceeded", "insufficient_quota"):
        error = {"message": "over", "type": kind, "code": "429"}
        assert refused(429, error).kind is ErrorKind.ACCOUNT
    assert (
        refused(429, {"message": "over", "type": "throttling_error"}).kind is ErrorKind.RATE_LIMIT
    )


def test_who_refuses_what_was_said_is_told_by_the_code_that_clients_know() -> None:
    error = refused(403, {"message": "Content violates usage guidelines.", "code": "denied"})
    assert error.upstream_code == "content_filter"


def test_words_tell_it_at_every_kind() -> None:
    for words, kind in {
        "Thinking level MINIMAL is not supported for this model.": ErrorKind.UNSUPPORTED,
        "This model doesn't support the stopSequences field.": ErrorKind.UNSUPPORTED,
        "This model only supports Interactions API.": ErrorKind.UNSUPPORTED,
        "input length and `max_tokens` exceed context limit: 188240 + 21333": ErrorKind.CONTEXT,
        "Access is not allowed from unsupported countries or regions.": ErrorKind.ACCOUNT,
        "The number of toolResult blocks exceeds that of toolUse blocks.": ErrorKind.BAD_REQUEST,
    }.items():
        assert failure("ValidationException", words, 400).kind is kind, words
        assert api_error(400, {"message": words, "status": "INVALID_ARGUMENT"}).kind is kind, words
