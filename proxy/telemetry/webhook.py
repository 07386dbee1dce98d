"""Telling the owner's webhook. It may be slow, broken or gone: that is logged, and nothing more."""

from __future__ import annotations

import asyncio
import logging

import httpx
import orjson
from pydantic import SecretStr

from adapters.base import Json

log = logging.getLogger("pointsman.alerts")

TIMEOUT_S = 10.0


async def post(client: httpx.AsyncClient, url: SecretStr, told: Json) -> None:
    """Send `told` as JSON. Redirects are not followed, and the answer's body is not read.

    The URL is a secret (whoever knows it may write there), so no error's own text is logged.
    """
    body, headers = orjson.dumps(told), {"content-type": "application/json"}
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            client.stream("POST", url.get_secret_value(), content=body, headers=headers) as answer,
        ):
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        log.warning("the webhook did not take an alert: %s", type(error).__name__)
        return
    if not 200 <= status < 300:
        log.warning("the webhook did not take an alert: it answered %d", status)
