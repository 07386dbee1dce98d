"""How many tokens are asked for where a model gives fewer: by its list, or by its refusal."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from adapters.base import AdapterError, ErrorKind, Model, NativeCall
from adapters.wire.ceiling import WORD, Ceilings
from tests.adapters.native_kit import END, ToyDialect, Wire, answer, opened

PATH = ("generationConfig", "maxOutputTokens")
REFUSALS: Sequence[tuple[int, str, int | None]] = (
    (
        32000,
        "`max_tokens` must be less than or equal to `16384`, the maximum value for `max_tokens` is"
        " less than the `context_window` for this model",
        16384,
    ),
    (
        384000,
        "max_tokens (384000) exceeds model's maximum output tokens (65536) for model"
        " deepseek-v4-flash:0731 (ref: 0d1f)",
        65536,
    ),
    (
        100000,
        "Unable to submit request because it has a maxOutputTokens value of 100000 but the"
        " supported range is from 1 (inclusive) to 65537 (exclusive). Update the value.",
        65536,
    ),
    (32000, "max_tokens is too large: 32000. This model supports at most 4,096.", 4096),
    (32000, "max_completion_tokens must be less than 8193", 8192),
    (32000, "max_completion_tokens must be < 8193", 8192),
    (32000, "num_predict: between 1 and 8_192, please", 8192),
    (32000, "toy-20250514-17b gives up to 8192 output tokens", 8192),
    (32000, "max_tokens is too large for this model", None),
    (32000, "max_tokens cannot be greater than 8192", 8192),
    (32000, "max_tokens should not be more than 8192", 8192),
    (32000, "max_tokens: value 32000 is out of bounds, must be in (0, 4096]", 4096),
    (32000, "max_tokens: 32000 > 8192, which is the maximum number of output tokens", 8192),
    (32000, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
)
ROOMS: Sequence[tuple[int, ErrorKind, str, int]] = (
    (
        132000,
        ErrorKind.CONTEXT,
        "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens"
        " (8000 in the messages, 132000 in the completion).",
        123072,
    ),
    (
        32000,
        ErrorKind.BAD_REQUEST,
        "'max_tokens' is too large: 32000. This model's maximum context length is 16384 tokens and"
        " your request has 500 input tokens (32000 > 16384 - 500).",
        15884,
    ),
    (
        32000,
        ErrorKind.TOO_LARGE,
        "Request too large for model `toy` on tokens per minute (TPM): Limit 6000, Requested 32067,"
        " please reduce your message size and try again.",
        5933,
    ),
    (
        9000,
        ErrorKind.BAD_REQUEST,
        "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 10 `inputs` tokens and 9000"
        " `max_new_tokens`",
        8183,
    ),
)
OTHERS: Sequence[tuple[int, ErrorKind, str]] = (
    (8, ErrorKind.BAD_REQUEST, "max_tokens must be at least 16"),
    (32000, ErrorKind.BAD_REQUEST, "temperature must be less than 2"),
    (32000, ErrorKind.CONTEXT, "The input token count (200000) exceeds the maximum (131072)"),
    (
        100,
        ErrorKind.CONTEXT,
        "maximum context length is 8192 tokens. However, you requested 9100 tokens"
        " (9000 in the messages, 100 in the completion)",
    ),
    (32000, ErrorKind.RATE_LIMIT, "TPM: Limit 6000, Used 5000, Requested 32067"),
    (32000, ErrorKind.SERVER, "max_tokens exceeds 16384"),
)


def call(asked: int | None, model: str = "toy") -> NativeCall:
    config = {"temperature": 1.0} | ({} if asked is None else {"maxOutputTokens": asked})
    return NativeCall("POST", f"/v1/models/{model}:generate", {"generationConfig": config})


def refusal(kind: ErrorKind, message: str) -> AdapterError:
    return AdapterError(kind, message, provider="toy", status=400)


def asked_for(sent: NativeCall | None) -> int | None:
    assert sent is not None
    assert sent.body["generationConfig"]["temperature"] == 1.0
    found: int | None = sent.body["generationConfig"].get("maxOutputTokens")
    return found


def test_a_refusal_tells_how_many_and_the_next_call_knows() -> None:
    for asked, message, most in REFUSALS:
        ceilings = Ceilings(*PATH)

        amended = ceilings.amended(call(asked), refusal(ErrorKind.BAD_REQUEST, message))

        assert asked_for(amended) == most, message
        assert amended is not None and amended.warnings == (WORD,)
        again = ceilings.fitted(call(asked))
        assert asked_for(again) == (most or asked), message
        assert ceilings.fitted(call(asked, "other")).warnings == ()


def test_what_a_prompt_leaves_room_for_holds_for_that_prompt_alone() -> None:
    for asked, kind, message, left in ROOMS:
        ceilings = Ceilings(*PATH)

        assert asked_for(ceilings.amended(call(asked), refusal(kind, message))) == left
        assert asked_for(ceilings.fitted(call(asked))) == asked


def test_what_an_account_affords_is_asked_for_where_no_number_was_asked_for() -> None:
    bare = NativeCall("POST", "/v1/models/toy:generate", {})
    amended = Ceilings(*PATH).amended(
        bare,
        refusal(ErrorKind.ACCOUNT, "You requested up to 65536 tokens, but can only afford 3104."),
    )

    assert amended is not None and amended.body == {"generationConfig": {"maxOutputTokens": 3104}}


def test_a_refusal_of_anything_else_changes_nothing() -> None:
    for asked, kind, message in OTHERS:
        assert Ceilings(*PATH).amended(call(asked), refusal(kind, message)) is None, message
    too_many = refusal(ErrorKind.BAD_REQUEST, REFUSALS[0][1])
    assert Ceilings(*PATH).amended(call(None), too_many) is None


def test_a_list_tells_it_before_any_refusal() -> None:
    ceilings = Ceilings(*PATH)
    ceilings.listed([Model("toy", most_output=8192), Model("other")])

    assert asked_for(ceilings.fitted(call(32000))) == 8192
    assert ceilings.fitted(call(32000)).warnings == (WORD,)
    for unchanged in (call(8192), call(None), call(32000, "other")):
        assert ceilings.fitted(unchanged) is unchanged


@pytest.mark.anyio
async def test_it_is_asked_for_less_until_that_is_taken_but_not_for_ever() -> None:
    for limits, takes in (((16384, 4096), True), ((16384, 4096, 1024), False)):
        refusals = [f"max_completion_tokens must be at most {limit}" for limit in limits]
        wire = Wire(*(answer(text.encode(), status=400) for text in refusals), answer(END))
        dialect = BadRequests()
        ceilings = Ceilings("max_completion_tokens")
        native = NativeCall("POST", "/chat", {"model": "toy", "max_completion_tokens": 32000})

        batches = opened(wire, native, dialect, ceilings)
        if takes:
            assert [batch async for batch in batches]
        else:
            with pytest.raises(AdapterError, match="1024"):
                await anext(batches)
        assert len(wire.requests) == 1 + Ceilings.most


class BadRequests(ToyDialect):
    def refusal(self, response: httpx.Response) -> AdapterError:
        return refusal(ErrorKind.BAD_REQUEST, response.text)
