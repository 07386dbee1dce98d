"""What goes to `/api/generate`, since the chat's API cannot do it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Finish, Json, Reasoning, Start, Text, Usage
from adapters.ollama.adapter import OllamaAdapter, OllamaSettings
from adapters.tasks import CompletionRequest, with_prompts
from tests.adapters.kit import FakeUpstream, Reply
from tests.adapters.ollama.kit import a_chat, ollama_over

pytestmark = pytest.mark.anyio

CREATED = "2026-11-21T10:00:00Z"
FIM = "<|fim_prefix|>def f(<|fim_suffix|>)<|fim_middle|>"


def completion(prompt: str = "Once", **fields: Any) -> CompletionRequest:
    return with_prompts(CompletionRequest("llama3.2", (), **fields), (prompt,))


def adapter() -> OllamaAdapter:
    return ollama_over(FakeUpstream())


def test_a_plain_text_is_a_chat() -> None:
    assert adapter().to_native(completion()) == adapter().to_native(a_chat("Once"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (completion(suffix="end"), {"prompt": "Once", "suffix": "end"}),
        (completion(FIM), {"prompt": FIM, "raw": True}),
        (completion(FIM, suffix="end"), {"prompt": FIM, "suffix": "end"}),
        (completion(extensions={"ollama": {"raw": True}}), {"prompt": "Once", "raw": True}),
        (a_chat("Once", extensions={"suffix": "end"}), {"prompt": "Once", "suffix": "end"}),
        (a_chat("Once", extensions={"ollama": {"raw": True}}), {"prompt": "Once", "raw": True}),
    ],
)
def test_what_has_no_place_in_a_chat_goes_another_way(asked: Any, words: Json) -> None:
    call = adapter().to_native(asked)

    assert (call.path, call.warnings) == ("/api/generate", ())
    body = {name: value for name, value in call.body.items() if name != "options"}
    assert body == {"model": "llama3.2", "stream": True, **words}


def test_a_system_prompt_goes_along_but_not_with_what_is_raw() -> None:
    talk = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Once"}]
    for words, system in (({"suffix": "end"}, "Be short."), ({"raw": True}, None)):
        call = adapter().to_native(a_chat("x", messages=talk, extensions=words))
        assert call.body.get("system") == system


def test_a_longer_talk_stays_a_chat_and_says_what_is_lost() -> None:
    talk = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    call = adapter().to_native(a_chat("x", messages=talk, extensions={"suffix": "end"}))

    assert (call.path, call.warnings) == ("/api/chat", ("dropped=suffix",))


def _lines(*lines: Json) -> Reply:
    whole = [{"model": "llama3.2", "created_at": CREATED, "done": False, **one} for one in lines]
    return Reply(tuple(json.dumps(one).encode() + b"\n" for one in whole), "application/x-ndjson")


async def test_its_answer_is_read_as_a_chats() -> None:
    end = {"done": True, "done_reason": "length", "prompt_eval_count": 3, "eval_count": 4}
    fake = FakeUpstream(
        _lines({"response": "", "thinking": "Hm."}, {"response": "upon"}, {"response": "", **end})
    )
    # What the model can do is asked for first: whether it can fill in.
    ollama = ollama_over(fake)
    ollama._known("llama3.2").asked = True

    events = [event async for batch in ollama.chat(completion(suffix="end")) for event in batch]

    assert [type(event) for event in events] == [Start, Reasoning, Text, Finish, Usage]
    assert events[2:] == [Text("upon"), Finish("length"), Usage(3, 4)]
    assert [request.url.path for request in fake.requests] == ["/api/generate"]


async def test_a_model_that_cannot_fill_in_says_so() -> None:
    fake = FakeUpstream(Reply((b'{"error":"llama3.2 does not support insert"}',), status=400))
    ollama = ollama_over(fake)
    ollama._known("llama3.2").asked = True

    with pytest.raises(AdapterError) as caught:
        async for _ in ollama.chat(completion(suffix="end")):
            pass
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, "suffix")


def test_who_can_fill_in_is_known_from_the_model() -> None:
    ollama = OllamaAdapter(OllamaSettings(), FakeUpstream().upstream, {})  # type: ignore[arg-type]
    assert ollama.capabilities("llama3.2").insert
    ollama._known("llama3.2").capabilities = frozenset({"completion"})
    assert not ollama.capabilities("llama3.2").insert
