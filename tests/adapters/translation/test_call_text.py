"""Tool calls that a model wrote as text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from adapters.translation.call_text import MAX_TEXT, read_calls

OFFERED = ("find_train", "buy", "ring-bell")
TRIP = {"to": "Łódź", "seats": 2}
TRIP_TEXT = json.dumps(TRIP, ensure_ascii=False)

FORMS = {
    "tag": "<function=find_train>{}</function>",
    "tag without bracket": "<function=find_train{}</function>",
    "tag with equals sign": "<function=find_train={}",
    "tag with parentheses": "<function=find_train({})</function>",
    "tag with a space": "<function=find_train {} </function>",
    "tag in parentheses": "<function(find_train)>{}</function>",
    "tag with a name": '<function name="find_train">{}</function>',
    "tag left open": "<function=find_train>{}",
    "tag after prose": "I will look it up.\n<function=find_train>{}</function>",
    "tail only": "find_train{}</function>",
    "tool_call": '<tool_call>\n{"name": "find_train", "arguments": {}}\n</tool_call>',
    "tool_call left open": '<tool_call>{"name": "find_train", "arguments": {}}',
    "object": '{"name": "find_train", "arguments": {}}',
    "object with parameters": '{"name": "find_train", "parameters": {}}',
    "object with a type": '{"type": "function", "name": "find_train", "parameters": {}}',
    "list": '[\n  {"name": "find_train", "parameters": {}}\n]',
    "openai": '{"tool_calls": [{"id": "x", "function": {"name": "find_train", "arguments": {}}}]}',
    "arguments beside": '{"tool_calls": [{"function": {"name": "find_train"}, "parameters": {}}]}',
    "fenced": '```json\n{"name": "find_train", "parameters": {}}\n```',
    "harmony": "<|channel|>commentary to=functions.find_train <|constrain|>json<|message|>{}",
    "harmony, to by the role": "<|start|>assistant to=functions.find_train<|channel|>commentary "
    "<|constrain|>json<|message|>{}",
    "harmony without its marks": "commentary to=functions.find_train json{}",
    "kimi": "<|tool_call_begin|>functions.find_train:0<|tool_call_argument_begin|>{}",
    "mistral": "[TOOL_CALLS]find_train[ARGS]{}",
    "mistral, older": '[TOOL_CALLS] [{"name": "find_train", "arguments": {}}]',
    "a name with its space": '{"name": "functions.find_train", "arguments": {}}',
    "a name with a mark": '{"name": "find_train<|channel|>commentary", "arguments": {}}',
    "function and args": '{"function": "find_train", "args": {}}',
    "tool": '{"tool": "find_train", "input": {}}',
    "python tag": '<|python_tag|>{"name": "find_train", "parameters": {}}<|eom_id|>',
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_reads_every_known_form(form: str) -> None:
    head, _, tail = form.rpartition("{}")
    [call] = read_calls(head + TRIP_TEXT + tail, OFFERED)
    assert call.name == "find_train"
    assert json.loads(call.arguments) == TRIP


def test_arguments_may_hold_the_words_of_another_form() -> None:
    words = ("DSML", '<invoke name="a">', "<|tool_call>call:a{}", "<function=a>", "[TOOL_CALLS]")
    for form in ("object", "fenced", "tool_call", "kimi", "harmony"):
        for word in words:
            head, _, tail = FORMS[form].rpartition("{}")
            calls = read_calls(head + json.dumps({"text": f"it says {word} there"}) + tail, OFFERED)
            assert [call.name for call in calls] == ["find_train"], (form, word)
            assert word in json.loads(calls[0].arguments)["text"]


@pytest.mark.parametrize(
    "text",
    [
        "<function=buy>\n<parameter=to>\nŁódź\n</parameter>\n<parameter=n>2</parameter>\n</function>",
        "<tool_call>buy\n<arg_key>to</arg_key>\n<arg_value>Łódź</arg_value>"
        "<arg_key>n</arg_key><arg_value>2</arg_value></tool_call>",
        '<|python_tag|>buy.call(to="Łódź", n="2")',
        'default_api.buy(to="Łódź", n="2")',
    ],
)
def test_reads_arguments_that_are_no_json(text: str) -> None:
    [call] = read_calls(text, OFFERED)
    assert (call.name, json.loads(call.arguments)) == ("buy", {"to": "Łódź", "n": "2"})


def test_reads_arguments_that_are_json_in_a_string() -> None:
    text = json.dumps({"name": "buy", "arguments": TRIP_TEXT})
    assert [(name, json.loads(args)) for name, args in read_calls(text, OFFERED)] == [("buy", TRIP)]


@pytest.mark.parametrize(
    "text",
    [
        "<function=buy>{}</function><function=ring-bell></function>",
        '<tool_call>{"name":"buy"}</tool_call>\n<tool_call>{"name":"ring-bell"}</tool_call>',
        '{"name": "buy", "parameters": {}}; {"name": "ring-bell", "parameters": null}',
        '[{"name": "buy", "arguments": ""}, {"name": "ring-bell", "args": {}}]',
    ],
)
def test_reads_several_calls_in_order(text: str) -> None:
    assert read_calls(text, OFFERED) == [("buy", "{}"), ("ring-bell", "{}")]


def test_reads_python_calls() -> None:
    text = '<|python_tag|>[find_train(to="Łódź", seats=2), buy()]'
    first, second = read_calls(text, OFFERED)
    assert (first.name, json.loads(first.arguments)) == ("find_train", TRIP)
    assert second == ("buy", "{}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "maybe",
        "I would call buy() but I am not sure.",
        "<function=buy>{'a': 1}</function>",
        "<function=buy>{\"a\": 1</function>",
        "<function=buy>quickly</function>",
        "<function>",
        '{"name": "sell", "arguments": {}}',
        '[{"name": "buy", "arguments": {}}, {"name": "sell", "arguments": {}}]',
        '{"name": "buy", "arguments": [1]}',
        '{"name": "buy", "arguments": {"a": NaN}}',
        '{"name": "buy", "arguments": {"a": "\\ud800"}}',
        '{"name": 7}',
        '{"no": "name"}',
        "[buy(1)]",
        "[buy(**x)]",
        "[buy(a=open('/etc/passwd'))]",
        "__import__('os').system('true')",
        "[" * 5000,
        '{"name": "buy", "arguments": ' + '{"a":' * 5000,
        "buy(" * 500,
        "\0",
        " " * (MAX_TEXT + 1),
    ],
)  # fmt: skip
def test_reads_nothing_where_it_would_have_to_guess(text: str) -> None:
    assert read_calls(text, OFFERED) == []


@pytest.mark.parametrize(
    "text",
    [
        "```" + " " * 60_000 + "x",
        "```json " + "\n" * 60_000 + "``",
        "<tool_call>a" + " " * 60_000 + "b",
        "<function" + "(" * 60_000,
        "a" * 60_000,
        "-" * 60_000 + "1",
        "f(a=" + "[" * 60_000,
    ],
    ids=lambda text: f"{text[:10]}…",
)
def test_no_text_takes_hours_to_read(text: str) -> None:
    """With two `\\s*` beside a `.*?` the first of these took a day and a half."""
    assert read_calls(text, OFFERED) == []


def test_reads_only_tools_that_were_offered() -> None:
    assert read_calls('{"name": "buy", "arguments": {}}', ()) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    arguments=st.dictionaries(st.text(max_size=8), values, max_size=4),
    form=st.sampled_from(list(FORMS.values())),
)
def test_any_arguments_come_back_as_they_were(arguments: dict[str, object], form: str) -> None:
    head, _, tail = form.rpartition("{}")
    text = head + json.dumps(arguments) + tail
    assert [json.loads(call.arguments) for call in read_calls(text, OFFERED)] == [arguments]


@given(
    st.text() | st.sampled_from(list(FORMS.values())).flatmap(lambda f: st.text().map(f.__add__))
)
def test_any_text_gives_offered_calls_only(text: str) -> None:
    for call in read_calls(text, OFFERED):
        assert call.name in OFFERED
        assert isinstance(json.loads(call.arguments), dict)
