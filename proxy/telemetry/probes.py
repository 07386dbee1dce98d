"""/health/live and /health/ready, for whoever restarts a server or sends it requests."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.gate.keys import Keys
from proxy.gate.life import Life
from proxy.proof import NONCE_HEADER, PROOF_HEADER, Identity


def probe_routes(life: Life, problems: Sequence[str], keys: Keys) -> list[Route]:
    """`problems` grows where background work fails; from then on the server is not ready.

    Nor is it while nobody knows the `keys` that are made.
    """

    async def live(request: Request) -> Response:
        """To a command that asks who is here, with the proof."""
        answer = _json({"status": "ok"})
        nonce, address = request.headers.get(NONCE_HEADER), request.scope.get("server")
        if nonce and address and (proof := Identity().proof(nonce, address)):
            answer.headers[PROOF_HEADER] = proof
        return answer

    async def ready(_request: Request) -> Response:
        if not life.ready:
            return _json({"status": "starting or stopping"}, 503)
        if keys.unread:
            return _json({"status": "waiting for the database: it has the keys"}, 503)
        if problems:
            return _json({"status": "failed", "problems": list(problems)}, 503)
        return _json({"status": "ready"})

    return [Route("/health/live", live), Route("/health/ready", ready)]


def _json(told: object, status: int = 200) -> Response:
    return Response(orjson.dumps(told), status, media_type="application/json")
