"""What the tests of the commands share: what is asked and refused, and what the status tells."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes import Answer, Fault
from tests.proxy.terminal_kit import run

ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


def facts() -> Any:
    return json.loads(run("status", "--json").stdout)


def refused_for(seconds: int) -> Fault:
    body = b'{"error":{"message":"Too fast.","type":"requests","code":"rate_limit_exceeded"}}'
    headers = (("content-type", "application/json"), ("retry-after", str(seconds)))
    return Fault(answer=Answer(429, headers, (body,)))
