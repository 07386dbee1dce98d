"""`<think>` at the start of a text becomes reasoning, however the text is cut."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from adapters.base import Event, Finish, Reasoning, Text, ToolCall, Usage
from proxy.routing.answers.thinktags import ThinkTags, split_think_tags


def split(pieces: list[str]) -> tuple[str, str]:
    """(reasoning, text) of a text that came in these pieces."""
    tags = ThinkTags(0)
    events = [event for piece in pieces for event in tags.feed(piece)] + tags.end()
    reasoning = "".join(event.text for event in events if isinstance(event, Reasoning))
    return reasoning, "".join(event.text for event in events if isinstance(event, Text))


@pytest.mark.parametrize(
    ("text", "reasoning", "rest"),
    [
        ("Hello.", "", "Hello."),
        ("<think>hm</think>Hello.", "hm", "Hello."),
        ("<think>\nhm\n</think>\n\nHello.\n", "hm\n", "Hello.\n"),
        ("\n <think>hm</think>Hello.", "hm", "Hello."),
        ("<think></think>Hello.", "", "Hello."),
        ("<think>hm", "hm", ""),
        ("<think>hm</thin", "hm</thin", ""),
        ("<thin", "", "<thin"),
        ("<thinking>x</thinking>", "", "<thinking>x</thinking>"),
        ("Say <think>x</think>", "", "Say <think>x</think>"),
        ("<think>a<think>b</think>c</think>d", "a<think>b", "c</think>d"),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("  two blanks first", "", "  two blanks first"),
        ("[THINK]hm[/THINK]Hello.", "hm", "Hello."),
        ("<|channel>thought\nhm<channel|>Hello.", "hm", "Hello."),
        (
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hi.",
            *("hm", "Hi."),
        ),
        ("[THIN", "", "[THIN"),
        ("", "", ""),
    ],
)
def test_only_a_tag_at_the_start_is_a_thought(text: str, reasoning: str, rest: str) -> None:
    assert split([text]) == (reasoning, rest)


@given(
    st.sampled_from(["<think>", "\n<think>\n", ""]),
    st.lists(st.sampled_from(["</think>", "<", "</", "think>", "a", "\n", " ", "😀"])),
    st.lists(st.integers(0, 60), max_size=10),
)
def test_how_the_text_is_cut_changes_nothing(start: str, words: list[str], cuts: list[int]) -> None:
    text = start + "".join(words)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]

    assert split(pieces) == split([text])
    assert split(list(text)) == split([text])


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "a", " "])))
def test_nothing_but_tags_and_line_ends_is_lost(words: list[str]) -> None:
    text = "".join(words)
    kept = "".join(split([text]))

    def bare(value: str) -> str:
        return value.replace("<think>", "").replace("</think>", "").strip()

    assert bare(kept) == bare(text)


def test_what_is_certain_is_not_held_back() -> None:
    tags = ThinkTags(3)

    assert tags.feed("<th") == []
    assert tags.feed("ink>one </") == [Reasoning("one ", 3)]
    assert tags.feed("b>") == [Reasoning("</b>", 3)]
    assert tags.feed("</think>two<") == [Text("two<", 3)]
    assert tags.feed("think>") == [Text("think>", 3)]


@pytest.mark.anyio
async def test_each_choice_is_split_for_itself() -> None:
    async def events() -> AsyncGenerator[list[Event], None]:
        yield [Text("<think>a", 0), Text("plain", 1)]
        yield [Text("</think>b", 0)]
        yield [Text("<th", 2)]
        yield [ToolCall("x", "f"), Finish("stop", 2), Finish("stop", 0), Usage(1, 1)]

    batches = [batch async for batch in split_think_tags(events())]

    assert batches == [
        [Reasoning("a", 0), Text("plain", 1)],
        [Text("b", 0)],
        [ToolCall("x", "f"), Text("<th", 2), Finish("stop", 2), Finish("stop", 0), Usage(1, 1)],
    ]
