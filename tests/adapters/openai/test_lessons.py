"""What houses refuse is mended, each by its own words, and learnt of that model."""

from __future__ import annotations

import pytest

from adapters.base import (
    AdapterError,
    ChatRequest,
    ErrorKind,
    Json,
    NativeCall,
    Text,
)
from adapters.openai.lessons import readings
from adapters.refusals.cannot import lacking
from adapters.refusals.lessons import MOST_LESSONS, Lessons
from tests.adapters.kit import FakeUpstream, collect, json_reply
from tests.adapters.openai.kit import ASK, CALL, TOOLS, TURNS, adapter, far, good, words_of

pytestmark = pytest.mark.anyio

FORBIDDEN = "Extra inputs are not permitted"
LEARNT: Json = {"temperature": 0.5, "presence_penalty": 1, "frequency_penalty": 1, "user": "u"}
OBJECT: Json = {"type": "object", "properties": {}}


def row(*loc: str | int) -> Json:
    return {"type": "extra_forbidden", "loc": list(loc), "msg": FORBIDDEN, "input": 1}


# By house: the refusal as reported, the status, and which of `LEARNT` are then left out.
REFUSALS: list[tuple[str, int, Json, set[str]]] = [
    (
        *("mistral", 422),
        {"object": "error", "message": {"detail": [row("body", "presence_penalty")]}},
        {"presence_penalty"},
    ),
    (
        *("mistral", 422),
        {"object": "Error", "detail": [row("body", "frequency_penalty")], "message": [row("body")]},
        set(),
    ),
    (
        *("mistral", 422),
        {"object": "Error", "detail": [], "message": [row("body", "frequency_penalty")]},
        {"frequency_penalty"},
    ),
    (
        *("xai", 400),
        {
            "code": "invalid-argument",
            "error": "Model g does not support parameter presencePenalty.",
        },
        {"presence_penalty"},
    ),
    (
        *("far", 400),
        {
            "message": "body.user: property 'body.user' is unsupported",
            "type": "invalid_request_error",
            "param": "validation_error",
            "code": "wrong_api_format",
        },
        {"user"},
    ),
    (
        *("far", 422),
        {
            "title": "Unprocessable Entity",
            "detail": f"body -> frequency_penalty\n  {FORBIDDEN} (type=extra_forbidden)\n"
            f"body -> presence_penalty\n  {FORBIDDEN} (type=extra_forbidden)",
        },
        {"frequency_penalty", "presence_penalty"},
    ),
    (
        *("far", 400),
        {
            "error": "[{'type': 'extra_forbidden', 'loc': ('body', 'user'), "
            f"'msg': '{FORBIDDEN}', 'input': 'u'}}]"
        },
        {"user"},
    ),
    (
        *("far", 400),
        {"error": {"message": "Validation: Unsupported parameter(s): `user`", "code": 400}},
        {"user"},
    ),
    ("fireworks", 400, {"error": {"message": f"{FORBIDDEN}, field: 'user'"}}, {"user"}),
    (
        *("far", 400),
        {"error": {"message": "Unrecognized request argument supplied: user", "param": None}},
        {"user"},
    ),
]


@pytest.mark.parametrize(("name", "status", "body", "lost"), REFUSALS)
async def test_a_refused_parameter_is_left_out_by_whatever_words_it_is_refused(
    name: str, status: int, body: Json, lost: set[str]
) -> None:
    wire = FakeUpstream(json_reply(body, status), good())
    one = adapter(wire.upstream, name, base_url="https://far.example/v1")
    request = ChatRequest("m", ASK, params=LEARNT)
    if not lost:
        with pytest.raises(AdapterError) as caught:
            await collect(one, request)
        assert caught.value.kind is ErrorKind.UNSUPPORTED  # so that another one is asked
        return
    first = await words_of(one, request)
    sent = wire.sent
    again = await words_of(one, request)

    assert lost.isdisjoint(sent) and "temperature" in sent
    assert {f"dropped={each}" for each in lost} <= first
    assert again == first and wire.sent == sent
    assert len(wire.requests) == 3  # the second time nothing is refused


async def test_a_house_that_names_one_thing_at_a_time_is_followed_to_the_end() -> None:
    names = ("presencePenalty", "frequencyPenalty", "stop")
    refused = [
        json_reply({"code": "x", "error": f"Model g does not support parameter {name}."}, 400)
        for name in names
    ]
    wire = FakeUpstream(*refused, good())
    request = ChatRequest("g", ASK, params=LEARNT, stop=("END",))
    events = await collect(adapter(wire.upstream, "xai"), request)

    assert Text("x") in events
    assert wire.sent.keys() == {"model", "messages", "temperature", "user"}


async def test_a_value_that_is_refused_is_no_lesson_for_the_next_request() -> None:
    error = {"message": "must be at most 2", "param": "temperature", "code": "decimal_above"}
    wire = FakeUpstream(json_reply({"error": error}, 400), good())
    one = adapter(wire.upstream, "openai")
    for temperature in (9, 1):
        await collect(one, ChatRequest("m", ASK, params={"temperature": temperature}))

    assert wire.sent["temperature"] == 1 and len(wire.requests) == 3


async def test_a_parameter_goes_under_its_other_name_where_that_is_the_one_that_is_taken() -> None:
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead."
    )
    error = {"message": message, "param": "max_tokens", "code": "unsupported_parameter"}
    wire = FakeUpstream(json_reply({"error": error}, 400), good())
    one = adapter(wire.upstream, "github")
    for _ in range(2):
        assert await words_of(one, ChatRequest("gpt-5", ASK, max_tokens=9)) == set()

    assert wire.sent == {"model": "gpt-5", "messages": ASK, "max_completion_tokens": 9}
    assert len(wire.requests) == 3


async def test_a_number_under_its_other_name_is_lowered_as_well() -> None:
    refused = {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."}
    too_many = {"message": "max_completion_tokens is too large: 99999. At most 4096 are supported."}
    renamed, lowered = {**refused, "param": "max_tokens"}, {**too_many, "param": "max_tokens"}
    wire = FakeUpstream(*(json_reply({"error": one}, 400) for one in (renamed, lowered)), good())
    one = adapter(wire.upstream, "github")
    for _ in range(2):
        asked = ChatRequest("gpt-5", ASK, max_tokens=99_999)
        assert await words_of(one, asked) == {"changed=max_tokens"}

    assert wire.sent == {"model": "gpt-5", "messages": ASK, "max_completion_tokens": 4096}
    assert len(wire.requests) == 4, "the second request is known to be too large"


async def test_a_call_is_changed_as_its_refusal_wants_it() -> None:
    strict = {"name": "t", "strict": True, "parameters": {"type": "object"}}
    tools = ({"type": "function", "function": strict},)
    for told, status, given, name, becomes in (
        ("invalid temperature: only 1 is allowed for this model", 400, {}, "temperature", None),
        (
            "Tools with mixed values for 'strict' are not allowed.",
            *(422, {"tools": tools}, "tools"),
            [{"type": "function", "function": {"name": "t", "parameters": OBJECT}}],
        ),
        ("tool_choice 'required' is incompatible with thinking", 400, {}, "tool_choice", None),
        ("enable_thinking must be set to false for non-streaming calls", 400, {}, "stream", True),
        ("This model only support stream mode, please enable it.", 400, {}, "stream", True),
        ("Requests with max_tokens > 4096 must have stream=true", 400, {}, "stream", True),
        ("`temperature` is deprecated for this model.", 400, {}, "temperature", None),
        (
            "You requested up to 65536 tokens, but can only afford 3104.",
            402,
            {},
            "max_tokens",
            3104,
        ),
    ):
        wire = FakeUpstream(json_reply({"error": {"message": told}}, status), good())
        asked = {"params": {"temperature": 0.5}, "tools": TOOLS, "tool_choice": "required", **given}
        await collect(adapter(wire.upstream, "fireworks"), ChatRequest("m", ASK, **asked))
        assert wire.sent.get(name) == becomes, told


async def test_of_two_that_do_not_go_together_one_is_kept() -> None:
    told = "`temperature` and `top_p` cannot both be specified for this model."
    wire = FakeUpstream(json_reply({"error": {"message": told}}, 400), good())
    asked = ChatRequest("m", ASK, params={"temperature": 0.5, "top_p": 0.9})
    assert await words_of(far(wire), asked) == {"dropped=top_p"}
    assert wire.sent["temperature"] == 0.5


async def test_schemas_that_no_grammar_can_be_made_of_tell_types_alone() -> None:
    told = "Failed to initialize samplers: failed to parse grammar"
    pattern = {"type": "string", "pattern": r"^\d+$", "maxLength": 65536}
    listed = {"type": "array", "items": pattern, "minItems": 1}
    schema = {"type": "object", "properties": {"pattern": pattern, "format": listed}}
    tools = ({"type": "function", "function": {"name": "t", "parameters": schema}},)
    wire = FakeUpstream(json_reply({"error": {"message": told}}, 400), good())
    one = far(wire)
    for _ in range(2):
        words = await words_of(one, ChatRequest("m", ASK, tools=tools))
        assert words == {"dropped=schema.bounds"}

    text = {"type": "string"}
    assert wire.sent["tools"][0]["function"]["parameters"]["properties"] == {
        "pattern": text,
        "format": {"type": "array", "items": text},
    }
    assert len(wire.requests) == 3
    wire = FakeUpstream(json_reply({"error": {"message": told}}, 400))
    with pytest.raises(AdapterError):
        await collect(far(wire), ChatRequest("m", ASK, tools=TOOLS))
    assert len(wire.requests) == 1, "there is nothing to leave out"


def test_what_a_client_has_laid_over_a_body_may_be_of_any_shape() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": "date"}}}
    function = {"type": "function", "function": {"name": "t", "strict": True, "parameters": schema}}
    search = {"type": "web_search"}
    lessons = Lessons(readings)
    for words in ("failed to parse grammar", "'strict' is not supported"):
        kind, cannot = lacking(ErrorKind.BAD_REQUEST, words)
        error = AdapterError(kind, words, provider="openai", status=400, cannot=cannot)
        call = NativeCall(
            "POST", "/x", {"model": "m", "messages": ASK, "tools": [function, search]}
        )
        mended = lessons.amended(call, error)
        assert mended and mended.body["tools"][0] != function and mended.body["tools"][1] == search
    for odd in (7, None, [7], [{"function": 7}], {"function": {}}):
        call = NativeCall("POST", "/x", {"model": "m", "messages": ASK, "tools": odd})
        assert lessons.kept(call).body["tools"] == odd


async def test_messages_are_what_mistrals_models_want() -> None:
    ids = "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."
    wire = FakeUpstream(json_reply({"message": ids}, 400), good())
    await collect(far(wire), ChatRequest("m", TURNS))
    [call], result = wire.sent["messages"][-2]["tool_calls"], wire.sent["messages"][-1]
    assert len(call["id"]) == 9 and result["tool_call_id"] == call["id"]

    last = "Expected last role User or Tool (or Assistant with prefix True) but got assistant"
    wire = FakeUpstream(json_reply({"message": last}, 400), good())
    begun = {"role": "assistant", "content": "Once"}
    await collect(adapter(wire.upstream, "mistral"), ChatRequest("m", [*ASK, begun]))
    assert wire.sent["messages"][-1] == {**begun, "prefix": True}


async def test_what_goes_back_is_what_servers_can_read() -> None:
    for arguments, sent in (
        ('{"a": 1.0}', '{"a": 1.0}'),
        ('{"a": "cut', '{"_raw":"{\\"a\\": \\"cut"}'),
        ("null", "{}"),
        ("[1]", '{"value":[1]}'),
    ):
        signed = {"google": {"thought_signature": "c2ln"}}
        call = {**CALL, "function": {"name": "t", "arguments": arguments}, "extra_content": signed}
        turns = [*ASK, {"role": "assistant", "tool_calls": [call]}, TURNS[2]]
        for model, extra in (("m", None), ("google/gemini-4", signed)):
            native = adapter(None).to_native(ChatRequest(model, turns)).body["messages"]
            [back] = native[1]["tool_calls"]
            assert (back["function"]["arguments"], back.get("extra_content")) == (sent, extra)


def test_of_more_models_than_anyone_asks_the_oldest_are_forgotten() -> None:
    lessons = Lessons(readings)
    error = AdapterError(
        ErrorKind.UNSUPPORTED, "unsupported: `user`", provider="openai", status=400
    )
    for at in range(MOST_LESSONS + 2):
        call = NativeCall("POST", "/x", {"model": f"m{at}", "messages": ASK, "user": "u"})
        assert lessons.kept(call) is call
        lessons.amended(call, error)
        assert "user" not in lessons.kept(call).body

    assert len(lessons.known) == MOST_LESSONS and "m1" not in lessons.known


async def test_a_wrong_key_is_one_also_where_it_comes_as_a_fault_of_the_request() -> None:
    told = "Incorrect API key provided: xa***. You can obtain one at console.x.ai."
    with pytest.raises(AdapterError) as caught:
        wire = FakeUpstream(json_reply({"code": "invalid-argument", "error": told}, 400))
        await collect(adapter(wire.upstream, "xai"), ChatRequest("m", ASK))

    assert caught.value.kind is ErrorKind.AUTH
