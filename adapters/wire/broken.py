"""What it means that an exchange broke off: exceptions of httpx in our own words. Pure."""

from __future__ import annotations

import socket
from typing import TypeVar

import httpx

from adapters.errors import AdapterError, ErrorKind, Phase, Scope
from adapters.upstream import NoRoomError
from adapters.wire.reading import TooLargeError, UnknownCodingError

Failure = TypeVar("Failure", bound=BaseException)

HTTPX_ERRORS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL)
TOO_LARGE = "the answer is too large or too long"


def transport_error(error: Exception, provider: str, phase: Phase) -> AdapterError:
    """The AdapterError that an exception of httpx means, in our words: theirs may hold a URL.

    Without a response's head nobody knows whether the request was read: only who could not connect
    is sure that it was not.
    """
    if isinstance(error, NoRoomError):
        return AdapterError(
            ErrorKind.RATE_LIMIT,
            str(error),
            provider=provider,
            scope=Scope.MODEL,
            retry_after_s=error.wait_s,
        )
    kind, message = _kind_of(error, phase)
    if phase is Phase.BEFORE_SEND and not isinstance(error, _UNSENT):
        phase = Phase.BEFORE_CONTENT
    return AdapterError(kind, message, provider=provider, scope=Scope.PROVIDER, phase=phase)


_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def _kind_of(error: Exception, phase: Phase) -> tuple[ErrorKind, str]:
    match error:
        case httpx.ConnectTimeout():
            return ErrorKind.TIMEOUT_CONNECT, "connecting took too long"
        case httpx.PoolTimeout():
            return ErrorKind.OVERLOADED, "no free connection"
        case httpx.TimeoutException() if phase is Phase.AFTER_CONTENT:
            return ErrorKind.STALL, "the answer stalled"
        case httpx.TimeoutException():
            return ErrorKind.TIMEOUT_FIRST_BYTE, "no answer in time"
        case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol():
            return _unconnected(error)
        case _:
            return _kind_of_body(error)


def _kind_of_body(error: Exception) -> tuple[ErrorKind, str]:
    match error:
        case TooLargeError():
            return ErrorKind.RESPONSE_TOO_LARGE, TOO_LARGE
        case UnknownCodingError():
            return ErrorKind.BAD_RESPONSE, str(error)
        case httpx.DecodingError():
            return ErrorKind.BAD_RESPONSE, "the answer's compression is broken"
        case httpx.TransportError():
            return ErrorKind.BROKEN, "the connection broke"
        case _:
            return ErrorKind.BAD_RESPONSE, "the exchange failed"


def _unconnected(error: Exception) -> tuple[ErrorKind, str]:
    import ssl

    if refused := _cause(error, ssl.SSLCertVerificationError):
        reason = getattr(refused, "verify_message", "the certificate was refused")
        return ErrorKind.TLS, f"no trusted TLS connection: {reason}"
    if _cause(error, ssl.SSLError):
        return ErrorKind.TLS, "no trusted TLS connection"
    if _cause(error, ConnectionRefusedError):
        return ErrorKind.NETWORK, "connection refused"
    if _cause(error, socket.gaierror):
        return ErrorKind.NETWORK, "cannot connect: nobody knows the name of its host"
    if isinstance(error, httpx.ProxyError):
        return ErrorKind.NETWORK, f"cannot connect: the proxy answered {str(error)[:3]}"
    return ErrorKind.NETWORK, "cannot connect"


def _cause(error: BaseException | None, kind: type[Failure]) -> Failure | None:
    """The exception of this kind behind `error`, if there is one."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None
