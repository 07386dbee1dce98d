"""Where Gemini's calls go and with which headers, as Google's SDK has it.

To import the SDK takes 16 MB for good, most of it for types that no request of ours uses. So a
child process imports it, run with this file as its script, answers, and ends; requests that come
before go by what is known.
"""

from __future__ import annotations

import json
import ssl
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.child import Line

HOME = "https://generativelanguage.googleapis.com"


def line(key: str, *, base_url: str | None, api_version: str, timeout_s: float) -> Line:
    """What the SDK's client would use. Takes up to a second; raises ValueError."""
    from adapters.child import told_by_sdk  # here, as the child itself may not find it

    order = {"key": key, "base_url": base_url, "version": api_version, "timeout_s": timeout_s}
    return told_by_sdk("google.genai", __file__, order, of_sdk)


def known(key: str, *, base_url: str | None) -> Line:
    """As much of it as is known without the SDK."""
    from adapters.child import Line

    return Line((base_url or HOME).rstrip("/"), {"x-goog-api-key": key, "user-agent": "pointsman"})


def of_sdk(order: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Asked of the SDK in this process."""
    import httpx
    from google import genai

    client = genai.Client(
        api_key=order["key"],
        vertexai=False,
        http_options=genai.types.HttpOptions(
            base_url=order["base_url"],
            api_version=order["version"],
            timeout=int(order["timeout_s"] * 1000),
            # None is used; else the SDK loads the trusted certificates three times over.
            httpx_client=httpx.Client(transport=httpx.BaseTransport(), trust_env=False),
            httpx_async_client=httpx.AsyncClient(
                transport=httpx.AsyncBaseTransport(), trust_env=False
            ),
            async_client_args={"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)},
        ),
    )
    built = client._api_client._build_request("post", "models", {})
    return built.url.removesuffix(f"/{order['version']}/models"), dict(built.headers)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(of_sdk(json.load(sys.stdin))))
