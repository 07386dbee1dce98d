"""A chat -> the call that counts its tokens, and the count in its answer. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from adapters.base import NativeCall
from adapters.events import Usage
from adapters.gemini.errors import bad_response
from adapters.wire.bounds import count
from adapters.wire.whole import WholeAnswer

COUNTED = ("contents", "systemInstruction", "tools", "cachedContent")
"""What of a chat is input."""


def to_native(chat: NativeCall) -> NativeCall:
    """The call for a chat's call; what the method does not know of it is left out."""
    path, _, _ = chat.path.rpartition(":")
    request = {name: chat.body[name] for name in COUNTED if name in chat.body}
    request["model"] = path[path.index("models/") :]
    return NativeCall("POST", f"{path}:countTokens", {"generateContentRequest": request})


class Counted(WholeAnswer):
    """How one answer is read (a `native.Dialect`)."""

    def whole(self, body: bytes | bytearray) -> list[Any]:
        told = orjson.loads(body)
        total = count(told.get("totalTokens")) if isinstance(told, dict) else None
        if total is None:
            raise bad_response("the answer holds no count")
        return [Usage(prompt=total)]
