"""Ollama's API, read by `ollama`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import ollama

from adapters.base import Usage
from tests.proxy.doors.golden.features import FEATURES, Feature, Meaning
from tests.proxy.doors.golden.reader import NEVER, Gap

USER = [{"role": "user", "content": "Hi"}]
GAPS: Mapping[str, Gap] = {
    "sound": Gap("left out", {"sounds": []}),
    "a citation": Gap("left out", {"citations": []}),
    "a refusal": Gap("as text", {"refusal": "", "text": "I will not.", "finish": "stop"}),
    "a filtered answer": Gap("as one that ended", {"finish": "stop"}),
    "several choices": Gap(NEVER),
    "tokens of thoughts and of the cache": Gap("as part of all", {"usage": Usage(100, 30)}),
}


class OllamaChat:
    """`chat`."""

    door = "ollama"
    title = "Ollama chat"
    gaps: Mapping[str, Gap] = {**GAPS, "an image": Gap("left out", {"images": []})}
    raises = ollama.ResponseError

    def stream(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        return _of_chat(_client(line).chat("m", USER, stream=True, **_asked(feature)))

    def whole(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        return _of_chat([_client(line).chat("m", USER, **_asked(feature))])


class OllamaGenerate:
    """`generate`."""

    door = "ollama"
    title = "Ollama generate"
    gaps: Mapping[str, Gap] = {
        **GAPS,
        **{name: Gap(NEVER) for name, one in FEATURES.items() if one.meaning.calls},
    }
    raises = ollama.ResponseError

    def stream(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        return _of_generate(_client(line).generate("m", "Hi", stream=True, **_asked(feature)))

    def whole(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        return _of_generate([_client(line).generate("m", "Hi", **_asked(feature))])


def _client(line: httpx.BaseTransport) -> ollama.Client:
    return ollama.Client("http://x:1", transport=line)


def _asked(feature: Feature) -> dict[str, Any]:
    wished = {"think": feature.meaning.thoughts, "logprobs": feature.meaning.tokens}
    return {name: True for name, wish in wished.items() if wish}


def _of_chat(answer: Iterable[Any]) -> Meaning:
    lines = list(answer)
    said = [line.message for line in lines]
    called = [call.function for one in said for call in one.tool_calls or ()]
    return _ended(
        lines,
        text="".join(one.content or "" for one in said),
        thoughts="".join(one.thinking or "" for one in said),
        calls=[(one.name, dict(one.arguments)) for one in called],
    )


def _of_generate(answer: Iterable[Any]) -> Meaning:
    lines = list(answer)
    return _ended(
        lines,
        text="".join(line.response or "" for line in lines),
        thoughts="".join(line.thinking or "" for line in lines),
        images=[line.image for line in lines if line.image],
    )


def _ended(lines: list[Any], **said: Any) -> Meaning:
    last = lines[-1]
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    reason = "tool_calls" if said.get("calls") else last.done_reason
    tokens = [one.token for line in lines for one in line.logprobs or ()]
    usage = Usage(last.prompt_eval_count, last.eval_count)
    return Meaning(tokens=tokens, finish=reason, usage=usage, **said)
