"""A server that is running, as the command line sees it: found at its address, asked over HTTP."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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

    is_running = True

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def facts(self) -> Json:
        """The facts of `proxy/console/status.py`, as the server knows them by now."""
        return self.ask("GET", "/admin/api/status")

    def status(self) -> Json:
        """The same, with what is asked now of those who were not yet, or may have ended unseen."""
        facts = self.facts()
        unasked = [
            provider["id"]
            for provider in facts["providers"]
            if (provider["reachable"] is None or provider["local"]) and not provider["unconfigured"]
        ]
        with ThreadPoolExecutor() as at_once:  # one that does not answer is waited for
            [*at_once.map(self._test, unasked)]
        return self.facts() if unasked else facts

    def _test(self, provider: str) -> None:
        self.ask("POST", "/admin/api/test", {"provider": provider})

    def ask(self, method: str, path: str, body: Json | bytes | None = None, **query: str) -> Json:
        """The JSON that is answered; a `body` of bytes is JSON already."""
        content = orjson.dumps(body) if isinstance(body, dict) else body
        headers = {} if content is None else {"content-type": "application/json"}
        try:
            response = self._client.request(
                method, path, content=content, params=query, headers=headers
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
