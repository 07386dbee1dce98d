"""Every exception class of httpx, and the kind of failure that is seen in it.

A class that is new has no row here and fails: somebody has to say what it means. The SDKs raise
nothing that is to be read: no request and no list goes through them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from adapters.base import ErrorKind, Phase
from adapters.wire.broken import transport_error

SECRET = "k-secret-0815"
REQUEST = httpx.Request("POST", f"https://api.example/chat?key={SECRET}")
NETWORK, BAD_RESPONSE = ErrorKind.NETWORK, ErrorKind.BAD_RESPONSE
BROKEN = ErrorKind.BROKEN
FIRST_BYTE = ErrorKind.TIMEOUT_FIRST_BYTE

HTTPX: Mapping[str, ErrorKind] = {
    "CloseError": BROKEN,
    "ConnectError": NETWORK,
    "ConnectTimeout": ErrorKind.TIMEOUT_CONNECT,
    "CookieConflict": BAD_RESPONSE,
    "DecodingError": BAD_RESPONSE,
    "HTTPError": BAD_RESPONSE,
    "HTTPStatusError": BAD_RESPONSE,
    "InvalidURL": BAD_RESPONSE,
    "LocalProtocolError": BROKEN,
    "NetworkError": BROKEN,
    "PoolTimeout": ErrorKind.OVERLOADED,
    "ProtocolError": BROKEN,
    "ProxyError": NETWORK,
    "ReadError": BROKEN,
    "ReadTimeout": FIRST_BYTE,
    "RemoteProtocolError": BROKEN,
    "RequestError": BAD_RESPONSE,
    "RequestNotRead": BAD_RESPONSE,
    "ResponseNotRead": BAD_RESPONSE,
    "StreamClosed": BAD_RESPONSE,
    "StreamConsumed": BAD_RESPONSE,
    "StreamError": BAD_RESPONSE,
    "TimeoutException": FIRST_BYTE,
    "TooManyRedirects": BAD_RESPONSE,
    "TransportError": BROKEN,
    "UnsupportedProtocol": NETWORK,
    "WriteError": BROKEN,
    "WriteTimeout": FIRST_BYTE,
}


def classes() -> list[type[Exception]]:
    """The exception classes that httpx shows."""
    shown = [getattr(httpx, name) for name in dir(httpx)]
    return [one for one in shown if isinstance(one, type) and issubclass(one, Exception)]


def instance(error_class: type[Exception]) -> Exception:
    """One of httpx's exceptions, whose classes want different arguments."""
    made: Any = error_class
    if error_class is httpx.HTTPStatusError:
        found = made("no", request=REQUEST, response=httpx.Response(500))
    elif issubclass(error_class, httpx.StreamError) and error_class is not httpx.StreamError:
        found = made()
    else:
        found = made(f"no {SECRET}")
    assert isinstance(found, Exception)
    return found


def test_every_class_of_httpx_has_its_kind_and_tells_no_secret() -> None:
    assert {found.__name__ for found in classes()} == set(HTTPX)
    for one in classes():
        told = transport_error(instance(one), "toy", Phase.BEFORE_CONTENT)
        assert (told.kind, told.provider) == (HTTPX[one.__name__], "toy"), one
        assert SECRET not in str(told), one
