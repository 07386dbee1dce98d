"""A server that is running, as the command line sees it: found at its address, asked over HTTP."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import orjson

from adapters.base import Json
from proxy.proof import NONCE_HEADER, PROOF_HEADER, Address, Identity
from proxy.settings import Settings

FIND_TIMEOUT_S = 1.0
ASK_TIMEOUT_S = 6.0


class RemoteError(Exception):
    """The server did not do what it was asked; the text tells why, and what to do."""


@contextmanager
def running(settings: Settings) -> Iterator[Remote | None]:
    """The server at the configured address, or None if no pointsman answers there."""
    with httpx.Client(base_url=settings.url(), timeout=ASK_TIMEOUT_S, trust_env=False) as client:
        address = _proven_address(client)
        if address is None:
            yield None
            return
        client.headers.update(_keys(settings, address))  # not before: a stranger gets none
        # Asked by its name once more, another one might answer.
        client.base_url = client.base_url.copy_with(host=address[0], port=address[1])
        yield Remote(client)


class Remote:
    """What the command line does with a running server. All raise RemoteError."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def change(self, app: str | None, change: Json) -> None:
        query = {} if app is None else {"app": app}
        self._ask("PUT", "/api/user/preferences", body=orjson.dumps(change), query=query)

    def facts(self) -> Json:
        """The facts of `proxy/console/status.py`, as the server knows them by now."""
        return self._ask("GET", "/admin/api/status")

    def status(self) -> Json:
        facts = self.facts()
        unasked = [
            provider["id"]
            for provider in facts["providers"]
            if provider["reachable"] is None and not provider["unconfigured"]
        ]
        for name in unasked:
            self._ask("POST", "/admin/api/test", body=orjson.dumps({"provider": name}))
        return self.facts() if unasked else facts

    def explain(self, body: bytes, door: str) -> Json:
        """What becomes of the request in `body`, as `proxy/console/explain.py` gives it."""
        return self._ask("POST", "/admin/api/explain", body=body, query={"door": door})

    def usage(self, params: Mapping[str, str]) -> Json:
        """What was used, as `proxy.console.ledger.Ledger.usage` gives it."""
        return self._ask("GET", "/admin/api/usage", query=dict(params))

    def arms(self, reach: str) -> list[Json]:
        """How the arms of a split choice compare, as `Ledger.arms` gives it."""
        found: list[Json] = self._ask("GET", "/admin/api/arms", query={"range": reach})["arms"]
        return found

    def keys(self) -> Json:
        return self._ask("GET", "/admin/api/keys")

    def make_key(self, asked: Json) -> str:
        return str(self._ask("POST", "/admin/api/keys", body=orjson.dumps(asked))["key"])

    def change_key(self, name: str, changes: Json) -> None:
        body = orjson.dumps(changes)
        self._ask("PATCH", "/admin/api/keys", body=body, query={"name": name})

    def revoke_key(self, name: str) -> None:
        self._ask("DELETE", "/admin/api/keys", query={"name": name})

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


def _proven_address(client: httpx.Client) -> Address | None:
    """Where the server is, if it proves there that it is this user's; nothing is told to others."""
    nonce = secrets.token_hex(16)
    try:
        with client.stream(
            "GET", "/health/live", headers={NONCE_HEADER: nonce}, timeout=FIND_TIMEOUT_S
        ) as response:
            address: Address = response.extensions["network_stream"].get_extra_info("server_addr")
            expected = Identity().proof(nonce, address[:2])
            proof = response.headers.get(PROOF_HEADER, "")
            if expected is None or not hmac.compare_digest(expected.encode(), proof.encode()):
                return None
            response.read()
            return address[:2]
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def _keys(settings: Settings, address: Address) -> dict[bytes, bytes]:
    """The admin token, or the pass of this user's commands where none is set."""
    shown = settings.admin_token.get_secret_value() or Identity().passport(address)
    return {b"authorization": f"Bearer {shown}".encode()} if shown else {}
