"""Where Ollama's calls go and with which headers, as its SDK has it.

To import the SDK takes memory for good and half a second. So a child process imports it, run with
this file as its script, answers, and ends; requests that come before go by what is known.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.child import Line


def line(url: str, key: str) -> Line:
    """What the SDK's client would use. Takes up to a second."""
    from adapters.child import told_by_sdk  # here, as the child itself may not find it

    return told_by_sdk("ollama", __file__, {"url": url, "key": key}, of_sdk)


def known(url: str, key: str) -> Line:
    """As much of it as is known without the SDK."""
    from adapters.child import Line

    own = {"authorization": f"Bearer {key}"} if key else {}
    return Line(url, {**own, "accept": "application/json", "user-agent": "pointsman"})


def of_sdk(order: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Asked of the SDK in this process."""
    import httpx
    import ollama

    key = {"Authorization": f"Bearer {order['key']}"} if order["key"] else {}
    client = ollama.AsyncClient(
        host=order["url"], headers=key, transport=httpx.AsyncBaseTransport(), trust_env=False
    )
    http = client._client
    if not key:  # the SDK reads OLLAMA_API_KEY by itself; settings are the one place for it
        http.headers.pop("authorization", None)
    return str(http.base_url).rstrip("/"), dict(http.headers)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(of_sdk(json.load(sys.stdin))))
