"""What the tests of the commands share: a question, a refusal, what status and doctor tell."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes import Answer, Fault
from tests.proxy.command.terminal_kit import run

GOOD, BAD, ABSENT = "✓", "✗", "\N{EN DASH}"
ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


def facts() -> Any:
    return json.loads(run("status", "--json").stdout)


def findings(*arguments: str) -> dict[str, str]:
    """Each finding by its subject: the mark and the text. The exit code fits them."""
    result = run(*arguments, "doctor")
    found = {}
    lines, _, legend = result.stdout.rpartition("\n\n")
    assert all(mark in legend for mark in (GOOD, BAD, ABSENT))
    for line in lines.splitlines():
        mark, subject, text = (part.strip() for part in line.split("  ", 2) if part.strip())
        found[subject] = f"{mark} {text}"
    failed = any(text.startswith(BAD) for text in found.values())
    assert result.exit_code == int(failed), result.stdout
    return found


def refused_for(seconds: int) -> Fault:
    body = b'{"error":{"message":"Too fast.","type":"requests","code":"rate_limit_exceeded"}}'
    headers = (("content-type", "application/json"), ("retry-after", str(seconds)))
    return Fault(answer=Answer(429, headers, (body,)))
