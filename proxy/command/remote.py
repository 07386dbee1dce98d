"""A server that is running, as the command line sees it: found at its address, asked over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import orjson

from adapters.base import Json
from proxy.settings import Settings

FIND_TIMEOUT_S = 1.0
ASK_TIMEOUT_S = 6.0


class RemoteError(Exception):
    """The server did not do what it was asked; the text tells why, and what to do."""


@contextmanager
def running(settings: Settings) -> Iterator[Remote | None]:
    """The server at the configured address, or None if no pointsman answers there."""
    with httpx.Client(base_url=settings.url(), timeout=ASK_TIMEOUT_S, trust_env=False) as client:
        if not _is_pointsman(client):
            yield None
            return
        client.headers.update(_keys(settings))  # not before: a stranger gets none
        yield Remote(client)


class Remote:
    """What the command line does with a running server. All raise RemoteError."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def change(self, app: str | None, change: Json) -> None:
        """Store a change of a preference; it holds for the next request when this returns."""
        query = {} if app is None else {"app": app}
        self._ask("PUT", "/api/user/preferences", body=orjson.dumps(change), query=query)

    def facts(self) -> Json:
        """The facts of `proxy/console/status.py`, as the server knows them by now."""
        return self._ask("GET", "/admin/api/status")

    def status(self) -> Json:
        """The facts after each provider that is set up has been asked whether it answers."""
        facts = self.facts()
        unasked = [
            provider["id"]
            for provider in facts["providers"]
            if provider["reachable"] is None and not provider["unconfigured"]
        ]
        for name in unasked:
            self._ask("POST", "/admin/api/test", body=orjson.dumps({"provider": name}))
        return self.facts() if unasked else facts

    def explain(self, body: bytes) -> Json:
        """What becomes of the OpenAI request in `body`, as `proxy/console/explain.py` tells it."""
        return self._ask("POST", "/admin/api/explain", body=body)

    def usage(self, params: Mapping[str, str]) -> Json:
        """What was used, as `proxy.console.ledger.Ledger.usage` tells it."""
        return self._ask("GET", "/admin/api/usage", query=dict(params))

    def _ask(
        self, method: str, path: str, *, body: bytes | None = None, query: Json | None = None
    ) -> Json:
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            response = self._client.request(
                method, path, content=body, params=query, headers=headers
            )
            answer: Json = orjson.loads(response.content)
            if response.status_code < 400:
                return answer
            reason = answer["error"]["message"]
        except (httpx.HTTPError, orjson.JSONDecodeError, KeyError, TypeError):
            raise RemoteError(
                f"the server at {self._url} gave no answer that can be read"
            ) from None
        if response.status_code == 401:
            reason = (
                f"the server at {self._url} asks for its admin token: set POINTSMAN_ADMIN_TOKEN"
            )
        raise RemoteError(reason)

    @property
    def _url(self) -> str:
        return str(self._client.base_url).rstrip("/")


def _is_pointsman(client: httpx.Client) -> bool:
    """Whether who answers there gives back the id of a request, as few other servers do."""
    own_id = f"find-{secrets.token_hex(8)}"
    try:
        response = client.get(
            "/health/live", headers={"x-request-id": own_id}, timeout=FIND_TIMEOUT_S
        )
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return response.status_code == 200 and response.headers.get("x-request-id") == own_id


def _keys(settings: Settings) -> dict[bytes, bytes]:
    """The admin token, and for a server that has none the first of the clients' keys."""
    token = settings.admin_token.get_secret_value()
    keys = [key.get_secret_value() for key in settings.client_keys.values()]
    shown = token or (keys[0] if keys else "")
    return {b"authorization": f"Bearer {shown}".encode()} if shown else {}
