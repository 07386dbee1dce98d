"""Bodies of chat requests as hypothesis makes them: from OpenAI's schema, and beside it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

PROVIDERS = {
    "groq": "groq/llama-3.3-70b-versatile",
    "gemini": "gemini/gemini-2.5-flash",
    "ollama": "ollama/llama3.2",
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**400, -1, 0, 1, 2**63, "", "\ud800", "\x00", "auto", "none", "é\u2028"])
)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what belongs there, now and then anything."""
    return strategy | strategy | strategy | junk


urls = st.sampled_from(
    [
        "data:image/png;base64,iVBORw0KGgo=",
        "data:image/png;base64,!!!",
        "data:,x",
        "http://169.254.169.254/",
        "https://localhost/x.png",
        "file:///etc/passwd",
        "",
    ]
)
parts = st.fixed_dictionaries(
    {"type": maybe(st.sampled_from(["text", "image_url", "input_audio", "file", "refusal"]))},
    optional={
        "text": maybe(st.text(max_size=20)),
        "image_url": maybe(st.fixed_dictionaries({"url": maybe(urls)})),
        "input_audio": maybe(
            st.fixed_dictionaries(
                {"data": maybe(st.text(max_size=8)), "format": maybe(st.just("wav"))}
            )
        ),
        "file": maybe(st.fixed_dictionaries({"file_data": maybe(urls)})),
    },
)
names = st.sampled_from(["get_weather", "f", "a" * 65, "", "no good", "../x"])
calls = st.fixed_dictionaries(
    {"id": maybe(st.text(max_size=8)), "type": maybe(st.just("function"))},
    optional={
        "function": maybe(
            st.fixed_dictionaries(
                {"name": maybe(names), "arguments": maybe(st.sampled_from(["{}", "", "{", "[1]"]))}
            )
        )
    },
)
messages = st.fixed_dictionaries(
    {
        "role": maybe(
            st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])
        )
    },
    optional={
        "content": maybe(st.text(max_size=30) | st.lists(maybe(parts), max_size=3)),
        "name": maybe(names),
        "tool_calls": maybe(st.lists(maybe(calls), max_size=3)),
        "tool_call_id": maybe(st.text(max_size=8)),
        "refusal": maybe(st.text(max_size=8)),
        "reasoning_content": maybe(st.text(max_size=8)),
        "reasoning": junk,
        "function_call": junk,
        "annotations": junk,
        "audio": junk,
        "extra_content": junk,
        "provider_specific_fields": junk,
    },
)
schemas = st.recursive(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "integer", "enum": [1, 2]},
            {"$ref": "#/$defs/x"},
            {"$ref": "#"},
            {"type": ["string", "null"]},
            {"const": 3},
            True,
            {},
        ]
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["object", "array"])},
        optional={
            "properties": st.dictionaries(st.text(max_size=6), maybe(inner), max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, max_size=3),
            "$defs": st.dictionaries(st.just("x"), inner),
            "required": maybe(st.lists(st.text(max_size=6), max_size=3)),
        },
    ),
    max_leaves=6,
)
tools = st.fixed_dictionaries(
    {"type": maybe(st.just("function"))},
    optional={
        "function": maybe(
            st.fixed_dictionaries({"name": maybe(names)}, optional={"parameters": maybe(schemas)})
        )
    },
)
numbers = st.floats(-3, 3) | st.integers(-5, 5000)
bodies = st.fixed_dictionaries(
    {
        "model": st.sampled_from([*PROVIDERS, *PROVIDERS.values(), "gpt-4o", "x#y"]),
        "messages": maybe(st.lists(maybe(messages), max_size=4)),
    },
    optional={
        "stream": maybe(st.booleans()),
        "stream_options": maybe(st.fixed_dictionaries({"include_usage": maybe(st.booleans())})),
        "temperature": maybe(numbers),
        "top_p": maybe(numbers),
        "n": maybe(st.integers(-1, 3)),
        "max_tokens": maybe(numbers),
        "max_completion_tokens": maybe(numbers),
        "stop": maybe(st.text(max_size=4) | st.lists(st.text(max_size=4), max_size=5)),
        "seed": maybe(st.integers()),
        "logit_bias": maybe(st.dictionaries(st.text(max_size=3), numbers, max_size=2)),
        "logprobs": maybe(st.booleans()),
        "top_logprobs": maybe(st.integers(-1, 30)),
        "tools": maybe(st.lists(maybe(tools), max_size=3)),
        "tool_choice": maybe(st.sampled_from(["auto", "none", "required"])),
        "parallel_tool_calls": maybe(st.booleans()),
        "response_format": maybe(
            st.fixed_dictionaries(
                {"type": maybe(st.sampled_from(["text", "json_object", "json_schema"]))},
                optional={
                    "json_schema": maybe(
                        st.fixed_dictionaries({"name": maybe(names), "schema": maybe(schemas)})
                    )
                },
            )
        ),
        "reasoning_effort": maybe(st.sampled_from(["none", "low", "medium", "high", "x"])),
        "modalities": maybe(st.just(["text"])),
        "user": maybe(st.text(max_size=8)),
        "metadata": maybe(st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2)),
        "service_tier": maybe(st.just("auto")),
        "functions": maybe(st.lists(junk, max_size=2)),
        "pointsman": junk,
        "thinking": junk,
    },
)
