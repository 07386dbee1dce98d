"""Where Groq's calls go and with which headers, as Groq's SDK has it.

To import the SDK takes memory for good and a good part of a second. So a child process imports it,
run with this file as its script, answers, and ends; requests that come before go by what is known.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.child import Line

HOME = "https://api.groq.com"


def line(key: str, *, base_url: str | None) -> Line:
    """What the SDK's client would use. Takes up to a second; raises what the SDK raises."""
    from adapters.child import told_by_sdk  # here, as the child itself may not find it

    order = {"key": key, "base_url": base_url}
    return told_by_sdk("groq", __file__, order, of_sdk)


def known(key: str, *, base_url: str | None) -> Line:
    """As much of it as is known without the SDK."""
    from adapters.child import Line

    own = {"authorization": f"Bearer {key}", "accept": "application/json"}
    return Line((base_url or HOME).rstrip("/"), {**own, "user-agent": "pointsman"})


def of_sdk(order: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Asked of the SDK in this process."""
    import groq
    import httpx

    unused = httpx.AsyncClient(transport=httpx.AsyncBaseTransport(), trust_env=False)
    client = groq.AsyncGroq(
        api_key=order["key"], base_url=order["base_url"], max_retries=0, http_client=unused
    )
    told = client.default_headers.items()
    headers = {name: value for name, value in told if isinstance(value, str)}
    return str(client.base_url).rstrip("/"), headers


if __name__ == "__main__":
    sys.stdout.write(json.dumps(of_sdk(json.load(sys.stdin))))
