"""No key leaves: the configured ones, and whatever has the look of one, become `***`.

The last wall of several. Keys are sent in headers only and adapters keep their own out of what
they say; this one also holds when a provider, a library or a traceback says more than it should.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TypeVar
from urllib.parse import quote

from msgspec.structs import replace

from adapters.base import AdapterError, Start

MASK = "***"
SHORTEST_SECRET = 4
"""A shorter one would be found in any text, and is no secret."""
LONG_SECRET = 12
"""What a shorter one becomes in other dresses may stand in any text."""
SHORTEST_BEGIN = 6
"""Fewer characters of a secret may stand anywhere."""
LONGEST_ESCAPE = len("&#x0000ff;")

E = TypeVar("E", bound=AdapterError)
Mask = Callable[[str], str]

# Every log line passes here, so a pattern is only tried where one of its words is found. None takes
# in a line's end, as lines come together, or a backslash, which may belong to a quote in JSON.
_PATTERNS = (
    (("AIza",), re.compile(r"AIza[\w-]{10,}"), MASK),
    (("gsk_",), re.compile(r"gsk_\w{10,}"), MASK),
    (("sk-",), re.compile(r"\bp?sk-[\w-]{10,}"), MASK),
    (("earer ", "EARER "), re.compile(r"(?i)\b(bearer)[ \t]+[^\s\"'\\,;}]{4,}"), rf"\1 {MASK}"),
    (
        ("key=", "Key=", "KEY=", "token=", "TOKEN="),
        re.compile(r"(?i)(key|token)=[^&\s\"'\\]+"),
        rf"\1={MASK}",
    ),
)


class Redactor:
    """Masks texts. `secrets` are the configured ones in the clear.

    A long one is found in other dresses, too: in any case, reversed, as hex or base64 wherever it
    begins, and with any of its characters escaped as URLs, JSON and HTML do.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first, as one may begin another.
        self._known = sorted(
            {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True
        )
        self._signs = {form.lower() for secret in self._known for form in _forms(secret)}
        self._begins = {sign[:SHORTEST_BEGIN] for sign in self._signs if len(sign) > LONG_SECRET}

    def __call__(self, text: str) -> str:
        """The text with nothing in it that is a key or looks like one."""
        if _holds(text, self._signs):
            text = self._pattern.sub(MASK, text)
        for words, pattern, mask in _PATTERNS:
            if any(word in text for word in words):
                text = pattern.sub(mask, text)
        return text

    def masked(self, error: E) -> E:
        """The error with whatever may be the provider's own words masked."""
        code, param = error.upstream_code, error.param
        return error.but(
            message=self.cut(error.message),
            upstream_code=code and self.cut(code),
            param=param and self.cut(param),
            violations=[(self(field), self(said)) for field, said in error.violations],
        )

    def cut(self, text: str) -> str:
        """A text that may have been cut, masked: its end may be the begin of a secret."""
        text = self(text)
        if not _holds(text, self._begins):
            return text
        from_ = max(0, len(text) - LONGEST_ESCAPE * max(map(len, self._signs)))
        plain, places = _spelled(text, from_)
        begins = [_length(plain, sign) for sign in self._signs if len(sign) > LONG_SECRET]
        longest = max(begins, default=0)
        return f"{text[: places[len(plain) - longest]]}{MASK}" if longest else text

    def start(self, said: Start) -> Start:
        """What a provider says about itself, masked."""
        words = said.id, said.model, said.system_fingerprint, said.service_tier, said.request_id
        if not _holds(f"{words}", self._signs):
            return said
        name, model, fingerprint, tier, request = (word and self(word) for word in words)
        return replace(
            said,
            id=name,
            model=model,
            system_fingerprint=fingerprint,
            service_tier=tier,
            request_id=request,
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """All secrets in all their forms; made when it is needed first."""
        forms = [form for secret in self._known for form in _patterns_of(secret)]
        return re.compile("|".join(forms))


_ESCAPE = re.compile(
    r"%([0-9a-f]{2})|\\{1,4}u([0-9a-f]{4})|&#x0{0,4}([0-9a-f]{1,5});|&#0{0,4}([0-9]{1,6});"
)
_CHARACTER = re.compile(f"{_ESCAPE.pattern}|.", re.IGNORECASE | re.DOTALL)
_HALF_ESCAPE = re.compile(
    r"(?:%[0-9a-f]?|\\{1,4}u?[0-9a-f]{0,3}|&#?x?[0-9a-f]{0,9})?[)\]}\"'.…]{0,4}\Z", re.IGNORECASE
)


def _holds(text: str, signs: Iterable[str]) -> bool:
    low = text.lower()
    for sign in signs:
        if sign in low:
            return True
    if "%" not in low and "&#" not in low and "\\" not in low:
        return False
    plain = _ESCAPE.sub(_unescaped, low)
    return any(sign in plain for sign in signs)


def _unescaped(escape: re.Match[str]) -> str:
    *hexes, decimal = escape.groups()
    return chr(int(decimal) if decimal else int(next(filter(None, hexes)), 16)).lower()


def _spelled(text: str, from_: int) -> tuple[str, list[int]]:
    """What a text means character by character, and where each stands in it.

    Without what is half an escape, or closes what the text was put into.
    """
    half = _HALF_ESCAPE.search(text, from_)
    found = list(_CHARACTER.finditer(text, from_, half.start() if half else len(text)))
    plain = (_unescaped(one) if any(one.groups()) else one[0].lower() for one in found)
    return "".join(char[:1] for char in plain), [one.start() for one in found]


def _length(plain: str, sign: str) -> int:
    """How much of a secret's begin a text ends with; 0 where that is next to nothing."""
    longest = min(len(sign), len(plain))
    lengths = range(longest, SHORTEST_BEGIN - 1, -1)
    return next((length for length in lengths if plain.endswith(sign[:length])), 0)


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may stand in a text: in a URL and in JSON as well, a long one in more ways."""
    yield from (secret, quote(secret, ""), json.dumps(secret)[1:-1])
    if len(secret) >= LONG_SECRET:
        data = secret.encode("utf-8", "surrogatepass")
        yield from (secret[::-1], data.hex(), data.decode("latin-1"))
        for before in range(3):
            # Without the characters that hold bits of what stands before or behind it.
            start, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            coded = b64encode(bytes(before) + data).decode()[start:end]
            yield from (coded, coded.replace("+", "-").replace("/", "_"))


def _patterns_of(secret: str) -> Iterator[str]:
    if len(secret) < LONG_SECRET:
        yield from map(re.escape, _forms(secret))
    else:
        yield f"(?i:{''.join(map(_character, secret))})"
        yield from (f"(?i:{re.escape(form)})" for form in dict.fromkeys(_forms(secret)))


def _character(one: str) -> str:
    """A character, or what URLs, JSON and HTML write in place of it."""
    url = quote(one.encode("utf-8", "surrogatepass"), safe="")
    if url == one:
        url = f"%{ord(one):02x}"
    number = ord(one)
    html = f"&#0{{0,4}}(?:{number}|x0{{0,4}}{number:x});"
    return rf"(?:{re.escape(one)}|{url}|\\{{1,4}}u{number:04x}|{html})"
