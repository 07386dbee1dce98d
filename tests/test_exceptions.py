"""Every exception class of the SDKs and of httpx, and the kind of failure each adapter sees in it.

A class that is new in an SDK has no row here and fails: somebody has to say what it means.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import groq
import httpx
import ollama
import pytest
from google.genai import errors as genai

from adapters.base import AdapterError, ErrorKind, Phase, Scope

SECRET = "k-secret-0815"
REQUEST = httpx.Request("POST", f"https://api.example/chat?key={SECRET}")
NETWORK, BAD_RESPONSE = ErrorKind.NETWORK, ErrorKind.BAD_RESPONSE
BROKEN = ErrorKind.BROKEN
FIRST_BYTE = ErrorKind.TIMEOUT_FIRST_BYTE


def response(status: int) -> httpx.Response:
    return httpx.Response(status, request=REQUEST, json={"error": {"message": f"no {SECRET}"}})


def of_groq(error_class: type[Exception], status: int) -> Exception:
    made: Any = error_class
    return made("no", response=response(status), body=None)


def of_genai(error_class: type[Exception], status: int, word: str) -> Exception:
    made: Any = error_class
    return made(status, {"error": {"code": status, "message": "no", "status": word}})


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

OWN: Mapping[str, list[tuple[Exception, ErrorKind]]] = {
    "groq": [
        (groq.GroqError(f"no {SECRET}"), ErrorKind.AUTH),
        (groq.APIError("no", REQUEST, body=None), BAD_RESPONSE),
        (groq.APIConnectionError(request=REQUEST), NETWORK),
        (groq.APITimeoutError(REQUEST), FIRST_BYTE),
        (groq.APIResponseValidationError(response(200), None), BAD_RESPONSE),
        (of_groq(groq.BadRequestError, 400), ErrorKind.BAD_REQUEST),
        (of_groq(groq.AuthenticationError, 401), ErrorKind.AUTH),
        (of_groq(groq.PermissionDeniedError, 403), ErrorKind.AUTH),
        (of_groq(groq.NotFoundError, 404), ErrorKind.MODEL_MISSING),
        (of_groq(groq.ConflictError, 409), ErrorKind.BAD_REQUEST),
        (of_groq(groq.UnprocessableEntityError, 422), ErrorKind.MALFORMED_ANSWER),
        (of_groq(groq.RateLimitError, 429), ErrorKind.RATE_LIMIT),
        (of_groq(groq.InternalServerError, 500), ErrorKind.SERVER),
        (of_groq(groq.InternalServerError, 503), ErrorKind.OVERLOADED),
        (of_groq(groq.APIStatusError, 413), ErrorKind.TOO_LARGE),
        (of_groq(groq.APIStatusError, 498), ErrorKind.OVERLOADED),
    ],
    "gemini": [
        (of_genai(genai.APIError, 302, "FOUND"), BAD_RESPONSE),
        (of_genai(genai.ClientError, 400, "INVALID_ARGUMENT"), ErrorKind.BAD_REQUEST),
        (of_genai(genai.ClientError, 403, "PERMISSION_DENIED"), ErrorKind.AUTH),
        (of_genai(genai.ClientError, 404, "NOT_FOUND"), ErrorKind.MODEL_MISSING),
        (of_genai(genai.ClientError, 429, "RESOURCE_EXHAUSTED"), ErrorKind.RATE_LIMIT),
        (of_genai(genai.ServerError, 500, "INTERNAL"), ErrorKind.SERVER),
        (of_genai(genai.ServerError, 503, "UNAVAILABLE"), ErrorKind.OVERLOADED),
        (genai.UnknownApiResponseError("no"), BAD_RESPONSE),
        (genai.ContinuationInterruptedError("no"), BAD_RESPONSE),
        (genai.UnknownFunctionCallArgumentError("no"), ErrorKind.BAD_REQUEST),
        (genai.UnsupportedFunctionError("no"), ErrorKind.BAD_REQUEST),
        (genai.FunctionInvocationError("no"), ErrorKind.BAD_REQUEST),
    ],
    "ollama": [
        (ollama.RequestError("no"), ErrorKind.BAD_REQUEST),
        (ollama.ResponseError("no", 400), ErrorKind.BAD_REQUEST),
        (ollama.ResponseError("no", 401), ErrorKind.AUTH),
        (ollama.ResponseError('model "x" not found', 404), ErrorKind.MODEL_MISSING),
        (ollama.ResponseError("no", 429), ErrorKind.RATE_LIMIT),
        (ollama.ResponseError("no", 500), ErrorKind.SERVER),
        (ollama.ResponseError("no", 503), ErrorKind.OVERLOADED),
        (ConnectionError("no"), NETWORK),
        (ConnectionRefusedError("no"), NETWORK),
        (TimeoutError("no"), FIRST_BYTE),
    ],
}
MODULES: Mapping[str, ModuleType] = {"groq": groq, "gemini": genai, "ollama": ollama}


def exceptions_in(module: ModuleType) -> list[type[Exception]]:
    """The exception classes that a module shows, but for those it has from elsewhere."""
    library = module.__name__.partition(".")[0]
    shown = [getattr(module, name) for name in dir(module)]
    classes = [one for one in shown if isinstance(one, type) and issubclass(one, Exception)]
    return [
        one
        for one in classes
        if one.__module__.startswith(library) and not issubclass(one, Warning)
    ]


def instance(error_class: type[Exception]) -> Exception:
    """One of httpx's exceptions, whose classes want different arguments."""
    made: Any = error_class
    if error_class is httpx.HTTPStatusError:
        return httpx.HTTPStatusError("no", request=REQUEST, response=response(500))
    if error_class.__name__ in ("RequestNotRead", "ResponseNotRead", "StreamClosed"):
        return made()  # type: ignore[no-any-return]
    if error_class is httpx.StreamConsumed:
        return made()  # type: ignore[no-any-return]
    return made(f"no {SECRET}")  # type: ignore[no-any-return]


def mapped(provider: str, error: Exception) -> AdapterError:
    adapter_error = importlib.import_module(f"adapters.{provider}.adapter").adapter_error
    found: AdapterError = adapter_error(error, phase=Phase.BEFORE_CONTENT, secret=SECRET)
    assert isinstance(found, AdapterError)
    assert (found.provider, found.phase in Phase, found.scope in Scope) == (provider, True, True)
    assert SECRET not in str(found)
    return found


@pytest.mark.parametrize("provider", OWN)
def test_every_class_of_the_sdk_has_a_row_here(provider: str) -> None:
    known = {type(error) for error, _ in OWN[provider]}

    assert set(exceptions_in(MODULES[provider])) <= known


def test_every_class_of_httpx_has_a_row_here() -> None:
    assert {found.__name__ for found in exceptions_in(httpx)} == set(HTTPX)


@pytest.mark.parametrize(
    ("provider", "error", "kind"),
    [(provider, error, kind) for provider, rows in OWN.items() for error, kind in rows],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_an_sdk_raises_has_its_kind(provider: str, error: Exception, kind: ErrorKind) -> None:
    assert mapped(provider, error).kind is kind


@pytest.mark.parametrize("error_class", exceptions_in(httpx), ids=lambda found: found.__name__)
@pytest.mark.parametrize("provider", OWN)
def test_what_httpx_raises_has_its_kind(provider: str, error_class: type[Exception]) -> None:
    assert mapped(provider, instance(error_class)).kind is HTTPX[error_class.__name__]


def test_groqs_connection_errors_are_what_lies_beneath_them() -> None:
    error = groq.APIConnectionError(request=REQUEST)
    error.__cause__ = httpx.ConnectTimeout("slow")

    assert mapped("groq", error).kind is ErrorKind.TIMEOUT_CONNECT
