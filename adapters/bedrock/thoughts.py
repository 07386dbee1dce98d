"""Thoughts that led to a call, kept until the call comes back: clients have no place for them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from adapters.base import Memory
from adapters.bedrock.names import bare
from adapters.events import Json


@dataclass(slots=True)
class Thought:
    """One block of reasoning as it comes, in pieces or at once."""

    texts: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    redacted: list[str] = field(default_factory=list)

    @property
    def block(self) -> Json | None:
        """The block to send back; None for what nobody has signed."""
        if self.redacted:
            return {"reasoningContent": {"redactedContent": _joined(self.redacted)}}
        if not self.signatures:
            return None
        said = {"text": "".join(self.texts), "signature": "".join(self.signatures)}
        return {"reasoningContent": {"reasoningText": said}}


def keep(memory: Memory, first_call: str, model: str, thoughts: Sequence[Thought]) -> None:
    """Remember the thoughts before a turn's calls, of which one has this id."""
    blocks = [block for one in thoughts if (block := one.block)]
    if blocks:
        kept = {"model": bare(model), "blocks": blocks}
        memory.put(_key(first_call), orjson.dumps(kept).decode())


def recalled(memory: Memory, calls: Sequence[str], model: str) -> list[Json]:
    """The blocks before these calls, if it was this model that thought them."""
    text = next((found for one in calls if (found := memory.get(_key(one)))), None)
    if text is None:
        return []
    kept = orjson.loads(text)
    return list(kept["blocks"]) if kept["model"] == bare(model) else []


def _key(call: str) -> str:
    return f"bedrock-thoughts:{call}"


def _joined(pieces: Sequence[str]) -> str:
    """Pieces of base64, each of which may have an end of its own, as one."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        raw = b"".join(base64.b64decode(piece) for piece in pieces)
    except binascii.Error:
        return "".join(pieces)
    return base64.b64encode(raw).decode("ascii")
