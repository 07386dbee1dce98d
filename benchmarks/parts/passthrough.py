"""The yardstick: a bare pass-through of Starlette and httpx, as one would write it in an hour.

python benchmarks/parts/passthrough.py PORT UPSTREAM_URL
"""

from __future__ import annotations

import sys

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


def create_app(upstream: str) -> Starlette:
    """POST /v1/chat/completions goes on to the upstream as it is."""
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=1000)
    client = httpx.AsyncClient(timeout=60, limits=limits)

    async def chat(request: Request) -> Response:
        body = await request.json()
        sent = client.build_request("POST", upstream + "/openai/v1/chat/completions", json=body)
        answer = await client.send(sent, stream=True)
        if not body.get("stream"):
            return Response(await answer.aread(), media_type="application/json")
        return StreamingResponse(answer.aiter_raw(), media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        ws="none",
    )
