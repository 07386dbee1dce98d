"""The usage log over HTTP: sums, the request log, receipts, exports, and Prometheus' metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from admin.auth import Gate
from admin.site import HEADERS

LIBRARY = "prometheus_client"
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
Params = Mapping[str, str]
Endpoint = Callable[[Request], Awaitable[Response]]


class Ledger(Protocol):
    """What the routes show. Failures are exceptions that the application answers."""

    async def usage(self, params: Params) -> dict[str, Any]: ...
    async def arms(self, params: Params) -> dict[str, Any]: ...
    async def requests(self, params: Params) -> dict[str, Any]: ...
    async def request(self, wanted: str) -> dict[str, Any]: ...
    async def export(self, params: Params, *, as_csv: bool) -> AsyncGenerator[bytes, None]: ...


def usage_routes(ledger: Ledger, metrics: Callable[[], bytes], gate: Gate) -> list[Route]:
    api = _Api(ledger, metrics)
    return [
        Route(path, _guarded(endpoint, gate))
        for path, endpoint in (
            ("/admin/api/usage", api.usage),
            ("/admin/api/arms", api.arms),
            ("/admin/api/requests", api.requests),
            ("/admin/api/requests.csv", api.csv),
            ("/admin/api/requests.json", api.json),
            ("/admin/api/requests/{id:path}", api.request),
            ("/metrics", api.metrics),
        )
    ]


class _Api:
    def __init__(self, ledger: Ledger, metrics: Callable[[], bytes]) -> None:
        self._ledger = ledger
        self._metrics = metrics

    async def metrics(self, _request: Request) -> Response:
        await asyncio.to_thread(import_module, LIBRARY)  # the first time it takes too long
        return Response(self._metrics(), headers={**HEADERS, "content-type": TEXT_FORMAT})

    async def usage(self, request: Request) -> Response:
        return _json(await self._ledger.usage(request.query_params))

    async def arms(self, request: Request) -> Response:
        return _json(await self._ledger.arms(request.query_params))

    async def requests(self, request: Request) -> Response:
        return _json(await self._ledger.requests(request.query_params))

    async def request(self, request: Request) -> Response:
        return _json(await self._ledger.request(request.path_params["id"]))

    async def csv(self, request: Request) -> Response:
        pieces = await self._ledger.export(request.query_params, as_csv=True)
        return _file(pieces, "text/csv; charset=utf-8", "requests.csv")

    async def json(self, request: Request) -> Response:
        pieces = await self._ledger.export(request.query_params, as_csv=False)
        return _file(pieces, "application/json", "requests.json")


def _guarded(endpoint: Endpoint, gate: Gate) -> Endpoint:
    async def guarded(request: Request) -> Response:
        await gate.check(request)
        return await endpoint(request)

    return guarded


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), headers=HEADERS, media_type="application/json")


def _file(pieces: AsyncGenerator[bytes, None], media_type: str, name: str) -> Response:
    headers = {**HEADERS, "content-disposition": f'attachment; filename="pointsman-{name}"'}
    return StreamingResponse(pieces, headers=headers, media_type=media_type)
