"""What a model cannot do, as people say it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_ABILITIES: Mapping[str, str] = {
    "tools": "call tools",
    "images": "see images",
    "audio": "hear audio",
    "files": "read files",
    "logprobs": "tell logprobs",
    "insert": "fill in between two texts",
}
"""By the field of Capabilities."""


def cannot(param: str, needs: Mapping[str, str]) -> str:
    """The words for a lack that `param` names; `needs` are those of the request."""
    need = next((need for need, where in needs.items() if where == param), param)
    if need not in _ABILITIES:
        return f"cannot do '{param}'"
    where = "" if need == param else f" ({param})"
    return f"cannot {_ABILITIES[need]}{where}"
