"""How many tokens a model answers with at most, and calls that ask for more.

An app does not know which model answers it, so that to ask for more than there is is no fault: what
the provider's list or its refusal tells is asked for instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec.structs import replace

from adapters.base import AdapterError, ErrorKind, Json, Model, NativeCall

WORD = "changed=max_tokens"
MAX_KNOWN = 512
REFUSED = frozenset(
    (ErrorKind.BAD_REQUEST, ErrorKind.UNSUPPORTED, ErrorKind.CONTEXT, ErrorKind.TOO_LARGE)
)
_SUBJECT = re.compile(
    r"max_?(completion_|output_|new_)?tokens|maxOutputTokens|num_predict"
    r"|(output|completion|new|generated|maximum) tokens|tokens to (generate|predict)",
    re.IGNORECASE,
)
_TOO_MUCH = re.compile(
    r"less than|smaller than|at most|exceed|maximum|\bmax\b|up to|\brange\b|\bin \[|between"
    r"|larger|higher|greater|more than|bounds|too (large|high|big|many|much)|\blimit|supports? only"
    r"|only supports?|<=?|≤|above|over\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:[,_]\d{3})+(?!\w)|(?<![\w.])\d{1,12}(?![\w])")
_EXCLUSIVE_BEFORE = re.compile(r"(less|smaller|lower) than \W{0,3}$|(?<!\w)< ?$", re.IGNORECASE)
_EXCLUSIVE_AFTER = re.compile(r"\W{0,3}\(?exclusive", re.IGNORECASE)
_AFFORDED = re.compile(r"can only afford (\d{4,9})", re.IGNORECASE)
"""OpenRouter's, of what is left of the account; with less than that nobody would be served."""
_REQUESTED = re.compile(r"requested:?\s+(?:about\s+)?([\d,_]{1,15})", re.IGNORECASE)
_SPENT = re.compile(
    r"([\d,_]{1,15})\s+(?:of )?(?:(?:text |your )?\W?(?:inputs?|prompt)\W? tokens"
    r"|in (?:the )?(?:messages|prompt|input))",
    re.IGNORECASE,
)


class Ceilings:
    """What is known of a provider's models; `path` leads to the number in the body of its calls.

    `other` is the name that some models know the number by.
    """

    most = 2
    """How often a call is lowered (`native.Mender`)."""

    def __init__(self, *path: str, other: str = "") -> None:
        self._path = path
        self._other = (other,)
        self._most: dict[str, int] = {}

    def listed(self, models: Iterable[Model]) -> None:
        """Take over what a list of models says."""
        for model in models:
            if model.most_output:
                self._remember(model.id, model.most_output)

    def fitted(self, call: NativeCall) -> NativeCall:
        """The call, asking for no more than its model is known to give."""
        most, asked = self._most.get(call.model), _at(call.body, self._where(call))
        return call if most is None or asked is None or asked <= most else self._with(call, most)

    def amended(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        """The call to send after a refusal of how much it asks for; None after any other.

        What one prompt leaves room for says nothing of the next; any other number is remembered.
        """
        asked = _at(call.body, self._where(call))
        if afforded := _read(_AFFORDED.search(error.message)):  # asked for or not
            return self._with(call, afforded) if afforded < (asked or afforded + 1) else None
        if asked is None or error.kind not in REFUSED:
            return None
        message = error.message.replace(call.model, "")
        if left := _left(message, asked):
            return self._with(call, left)
        if error.kind in (ErrorKind.CONTEXT, ErrorKind.TOO_LARGE):
            return None
        if not (_SUBJECT.search(message) and _TOO_MUCH.search(message)):
            return None
        if most := _most(message, asked):
            self._remember(call.model, most)
        return self._with(call, most)

    def _with(self, call: NativeCall, most: int | None) -> NativeCall:
        """With `most` tokens at most; None leaves that to the model."""
        return replace(
            call,
            body=_put(call.body, self._where(call), most),
            warnings=(*(word for word in call.warnings if word != WORD), WORD),
        )

    def _where(self, call: NativeCall) -> tuple[str, ...]:
        return self._other if self._other[0] in call.body else self._path

    def _remember(self, model: str, most: int) -> None:
        if model not in self._most and len(self._most) >= MAX_KNOWN:
            del self._most[next(iter(self._most))]
        self._most[model] = most


def _at(body: Json, path: tuple[str, ...]) -> int | None:
    found: object = body
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if type(found) is int and found > 0 else None


def _put(body: Json, path: tuple[str, ...], most: int | None) -> Json:
    key, *rest = path
    if rest:
        return {**body, key: _put(body.get(key, {}), tuple(rest), most)}
    kept = {name: value for name, value in body.items() if name != key}
    return kept if most is None else {**kept, key: most}


def _left(message: str, asked: int) -> int | None:
    """What is left beside the prompt, where the refusal counts both against one limit."""
    requested = _read(_REQUESTED.search(message))
    spent = _read(_SPENT.search(message))
    if spent is None and requested is not None:
        spent = requested - asked
    if spent is None or spent < 0:
        return None
    others = {asked, spent, spent + asked, requested}
    limits = [n for n in _numbers(message) if n not in others and n < spent + asked]
    left = max(limits, default=0) - spent
    return left if 0 < left < asked else None


def _most(message: str, asked: int) -> int | None:
    """The largest number below what was asked for."""
    return max((number for number in _numbers(message) if 0 < number < asked), default=None)


def _numbers(message: str) -> list[int]:
    """The numbers of a text; such as are named as the first that is too large, less one."""
    return [
        _int(found[0])
        - bool(
            _EXCLUSIVE_BEFORE.search(message, max(0, found.start() - 24), found.start())
            or _EXCLUSIVE_AFTER.match(message, found.end())
        )
        for found in _NUMBER.finditer(message)
    ]


def _read(found: re.Match[str] | None) -> int | None:
    digits = found[1].strip(",_") if found else ""
    return _int(digits) if digits else None


def _int(text: str) -> int:
    return int(re.sub(r"[,_]", "", text))
