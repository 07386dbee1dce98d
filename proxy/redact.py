"""No key leaves: the configured ones, and whatever has the look of one, become `***`.

The last wall of several. Keys are sent in headers only and adapters keep their own out of what
they say; this one also holds when a provider, a library or a traceback says more than it should.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TypeVar
from urllib.parse import quote

from adapters.base import AdapterError

MASK = "***"
SHORTEST_SECRET = 4
"""A shorter one would be found in any text, and is no secret."""

E = TypeVar("E", bound=AdapterError)
Mask = Callable[[str], str]

# Every log line passes here, so a pattern is only tried where one of its words is found. None takes
# in a line's end, as lines come together, or a backslash, which may belong to a quote in JSON.
_PATTERNS = (
    (("AIza",), re.compile(r"AIza[\w-]{10,}"), MASK),
    (("gsk_",), re.compile(r"gsk_\w{10,}"), MASK),
    (("sk-",), re.compile(r"\bsk-[\w-]{10,}"), MASK),
    (("earer ", "EARER "), re.compile(r"(?i)\b(bearer)[ \t]+[^\s\"'\\,;}]{4,}"), rf"\1 {MASK}"),
    (
        ("key=", "Key=", "KEY=", "token=", "TOKEN="),
        re.compile(r"(?i)(key|token)=[^&\s\"'\\]+"),
        rf"\1={MASK}",
    ),
)


class Redactor:
    """Masks texts. `secrets` are the configured ones in the clear."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}
        # As it stands in a URL and in JSON too; the longest first, as one may begin another.
        forms = {form for secret in known for form in (secret, quote(secret, ""), _in_json(secret))}
        self._secrets = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text with nothing in it that is a key or looks like one."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        for words, pattern, mask in _PATTERNS:
            if any(word in text for word in words):
                text = pattern.sub(mask, text)
        return text

    def masked(self, error: E) -> E:
        """The error with whatever may be the provider's own words masked."""
        code = error.upstream_code
        return error.but(message=self(error.message), upstream_code=code and self(code))


def _in_json(secret: str) -> str:
    return json.dumps(secret)[1:-1]
