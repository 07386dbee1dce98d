"""Who asks is told to whom it matters, and nobody else says a word of it."""

from __future__ import annotations

from adapters.base import USER, ChatRequest
from tests.proxy.doors.endpoints import adapters


def test_who_asks_is_told_to_one_and_left_out_by_the_others() -> None:
    told = set()
    for kind, adapter in adapters().items():
        hello = [{"role": "user", "content": "Hi"}]
        model = adapter.settings.model or "m"
        call = adapter.to_native(ChatRequest(model, hello, extensions={USER: "user_1"}))
        assert not [word for word in call.warnings if "user" in word], kind
        if call.body.get("user") == "user_1":
            told.add(kind)
    assert told == {"groq"}
