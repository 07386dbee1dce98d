"""The owner's own names for models. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NO_ALIAS: Mapping[str, str] = MappingProxyType({})


def alias_of(aliases: Mapping[str, Mapping[str, str]], model: str) -> Mapping[str, str]:
    """The models that a client's name means: by its very name, else by the longest that fits."""
    if model in aliases:
        return aliases[model]
    fitting = [name for name in aliases if "*" in name and fits(name, model)]
    return aliases[max(fitting, key=len)] if fitting else NO_ALIAS


def fits(pattern: str, name: str) -> bool:
    """Whether `name` is `pattern` with some text in place of each `*`."""
    if "*" not in pattern:
        return name == pattern
    head, *middle, tail = pattern.split("*")
    at, end = len(head), len(name) - len(tail)
    if at > end or not (name.startswith(head) and name.endswith(tail)):
        return False
    for part in middle:
        if (at := name.find(part, at, end)) < 0:
            return False
        at += len(part)
    return True
