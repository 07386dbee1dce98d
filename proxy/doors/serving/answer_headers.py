"""The headers `x-pointsman-…` of an answer: who gave it, after whom, and what to know of it."""

from __future__ import annotations

from proxy.reply import Header
from proxy.routing.answers.receipt import Receipt


def receipt_headers(receipt: Receipt) -> list[Header]:
    headers: list[Header] = []
    if receipt.provider:
        headers = [
            (b"x-pointsman-provider", receipt.provider.encode()),
            (b"x-pointsman-model", _printable(receipt.model or "")),
            (b"x-pointsman-attempts", ",".join(receipt.attempts).encode()),
        ]
    if receipt.warnings:
        headers.append((b"x-pointsman-warnings", _printable("; ".join(receipt.warnings))))
    if receipt.upstream_id:
        headers.append((b"x-pointsman-upstream-id", _printable(receipt.upstream_id)))
    return headers


def _printable(text: str) -> bytes:
    """Text that may stand in a header: a model's name is the provider's word, not ours."""
    text = text[:1024]
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode()
