"""Which of the models that a provider lists takes the place of one that is gone. Pure.

The order is told in docs/decisions.md. It goes by what the list says and how names are built, never
by names that are known here: the models of the day after tomorrow are ordered by it as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Sequence
from typing import NamedTuple

from adapters.base import Model

SPECIAL = frozenset(
    {
        *("audio", "clip", "code", "coder", "computer", "embed", "embedding", "guard", "image"),
        *("live", "math", "ocr", "rerank", "research", "robotics", "safeguard", "search"),
        *("transcribe", "tts", "vision", "whisper"),
    }
)
"""Words in names of models that are made for one thing, and no matter of course for chat."""
UNFINISHED = frozenset(["alpha", "beta", "exp", "experimental", "preview"])
NEWEST = "latest"
_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)*")
_SIZE = re.compile(r"\d+(?:\.\d+)?[bm]")


class _Name(NamedTuple):
    words: tuple[str, ...]
    version: tuple[float, ...]


def is_listed(model: str, names: Container[str]) -> bool:
    """Whether a list of names has the model, whose tag `latest` may be left out."""
    return model in names or f"{model}:latest" in names


def successor(gone: str, offered: Sequence[Model], *, default: str) -> str | None:
    """The name of the model that is asked in place of `gone`, None if none of them can chat.

    First those that are made for chat in general; then those of the same family, the nearer
    relatives first; then those of a free tier, the built-in default, finished ones, the newest.
    """
    was = _parts(gone)

    def rank(model: Model) -> tuple[bool, int, bool, bool, bool, tuple[float, ...], int, str]:
        words, version = _parts(model.id)
        return (
            not SPECIAL.isdisjoint(words),
            -_kinship(was.words, words),
            not model.free,
            not is_listed(default, {model.id}),
            not UNFINISHED.isdisjoint(words),
            tuple(-number for number in (*version, 0.0, 0.0, 0.0)[:3]),
            -model.created,
            model.id,
        )

    others = [model for model in offered if model.chat and not is_listed(gone, {model.id})]
    return min(others, key=rank).id if others else None


def _kinship(one: Sequence[str], other: Sequence[str]) -> int:
    """2 where the names differ by numbers only, 1 where they begin with the same word, else 0."""
    one, other = ([word for word in words if word not in UNFINISHED] for words in (one, other))
    if not one or not other or one[0] != other[0]:
        return 0
    return 2 if one == other else 1


def _parts(name: str) -> _Name:
    """The words of a name and the first number in it; without the maker, sizes, and Ollama's tag.

    A name that the maker keeps pointing to the newest of a family is newer than any number.
    """
    plain = name.lower().removesuffix(f":{NEWEST}").rpartition("/")[2]
    found = _WORD.findall(_SIZE.sub("", plain))
    words = tuple(word for word in found if word.isalpha() and word != NEWEST)
    if NEWEST in found:
        return _Name(words, (math.inf,))
    number = next((word for word in found if not word.isalpha()), "")
    return _Name(words, tuple(float(part) for part in number.split(".") if part))
