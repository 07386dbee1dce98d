"""What only `POST /api/generate` can do: fill in between two texts, take a prompt as it is. Pure.

Source: Ollama's `docs/api.md` and `server/routes.go` (GenerateHandler).
"""

from __future__ import annotations

from msgspec.structs import replace

from adapters.base import ChatRequest, NativeCall
from adapters.events import Json
from adapters.tasks import CompletionRequest

GENERATE_PATH = "/api/generate"
OWN_WORDS = ("raw", "suffix", "template", "context")
MARKS = (
    *("<|fim_", "<fim_", "<PRE>", "[SUFFIX]", "<|code_prefix|>"),
    *("<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "[INST]"),
)
"""Of prompts that are in a model's own form already; a template around it would spoil them."""


def by_generate(request: ChatRequest, call: NativeCall) -> NativeCall:
    """The chat's `call`, as one of `/api/generate` where the chat cannot do what is asked."""
    words = _words(request)
    texts = {message["role"]: message.get("content") for message in request.messages}
    prompt = texts.get("user")
    is_one_prompt = texts.keys() <= {"system", "user"} and len(texts) == len(request.messages)
    if not (words and is_one_prompt and isinstance(prompt, str)):
        return call
    body = {name: value for name, value in call.body.items() if name not in ("messages", "tools")}
    if "system" in texts and not words.get("raw"):
        words["system"] = texts["system"]
    return replace(
        call,
        path=GENERATE_PATH,
        body={**body, "prompt": prompt, **words},
        warnings=tuple(word for word in call.warnings if word not in _HONOURED),
    )


_HONOURED = frozenset(f"dropped={word}" for word in OWN_WORDS)


def message_of(chunk: Json) -> Json:
    """What a line of the answer says, as one of the chat's has it."""
    return {"content": chunk.get("response"), "thinking": chunk.get("thinking")}


def _words(request: ChatRequest) -> Json:
    """What has no place in a chat."""
    block = request.extensions.get("ollama")
    own = {**request.extensions, **(block if isinstance(block, dict) else {})}
    words = {word: own[word] for word in OWN_WORDS if own.get(word) is not None}
    if not isinstance(words.get("context"), list):  # tokens, and not what others call so
        words.pop("context", None)
    if type(request) is not CompletionRequest:
        return words
    if request.suffix is not None:
        words.setdefault("suffix", request.suffix)
    elif any(mark in request.messages[0]["content"] for mark in MARKS):
        words.setdefault("raw", True)
    return words
