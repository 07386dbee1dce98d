"""The keys that let clients in: how they are shown, and whose they are. No I/O."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl

from pydantic import SecretStr
from starlette.types import Scope

from proxy.errors import ApiError

KEY_HEADERS = (b"x-api-key", b"x-goog-api-key", b"api-key")
"""Anthropic's and Gemini's, where there is no bearer."""


class Keys:
    """Those of the settings by name, and by digest those that the owner has `made`.

    `needed` tells whether one must be shown. `reading` is there while those that are made are still
    being read: it returns when they are, or could not be. `unread` while there are some of those
    and nobody knows them: then none of them gets in.
    """

    def __init__(self, configured: Mapping[str, SecretStr] | None = None) -> None:
        self._configured = {name: digest(_bytes(key)) for name, key in (configured or {}).items()}
        self._made: Mapping[bytes, str] = MappingProxyType({})
        self.needed = bool(self._configured)
        self.reading: Callable[[], Awaitable[None]] | None = None
        self.unread = False

    def await_made(self) -> None:
        """Some are made: let nobody in without, until they are known."""
        self.unread = self.needed = True

    def take(self, made: Mapping[bytes, str], *, needed: bool) -> None:
        """Let in by these as well; `needed` even where none is left of those that were made."""
        self._made = made
        self.unread = False
        self.needed = bool(self._configured) or needed

    def name_of(self, shown: bytes) -> str:
        """Whose key is shown. Raises ApiError 401."""
        known = digest(shown)
        # All keys are compared, each in constant time: how long it takes tells nothing. Those that
        # are made are random and found by a digest, of which the time tells nothing either.
        fitting = [
            name for name, key in self._configured.items() if hmac.compare_digest(key, known)
        ]
        name = fitting[0] if fitting else self._made.get(known)
        if name is None and self.unread:
            raise ApiError(
                503,
                "The database cannot be read, and with it the keys that may be shown:"
                " nobody is let in by one until it can.",
                type_="service_unavailable_error",
                code="store_unavailable",
            )
        if name is None:
            takes = ["those of POINTSMAN_API_KEYS"] if self._configured else []
            takes += ["those that its owner has made"] if self._made else []
            told = " and ".join(takes) or "one alone that its owner has yet to make"
            raise ApiError(
                401,
                f"Incorrect API key provided: pointsman takes {told}.",
                code="invalid_api_key",
            )
        return name


def shown_key(scope: Scope, headers: Mapping[bytes, bytes]) -> bytes:
    """The key that the client shows, in the way of any of the protocols; empty without one."""
    scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return bearer.strip()
    for name in KEY_HEADERS:
        if key := headers.get(name):
            return key
    query = scope["query_string"]
    if b"key=" not in query:
        return b""
    # Of bytes it takes ASCII alone.
    told: dict[str, str] = dict(parse_qsl(query.decode("latin-1"), encoding="latin-1"))
    return told.get("key", "").encode("latin-1")


def digest(key: bytes) -> bytes:
    """What is known and compared of a key."""
    return hashlib.sha256(key).digest()


def _bytes(key: SecretStr) -> bytes:
    return key.get_secret_value().encode("utf-8", "surrogatepass")
