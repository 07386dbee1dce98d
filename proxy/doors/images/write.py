"""Pictures -> OpenAI's object of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.base import Json, Media, Usage
from adapters.wire.writing import dumps
from proxy.doors.openai import tokens_object
from proxy.doors.writing.whole import last


def pictures(events: Sequence[Any], *, created: int) -> bytes:
    found = [{"b64_json": event.data} for event in events if type(event) is Media]
    answer: Json = {"created": created, "data": found}
    if used := last(Usage, events):
        details = {"text_tokens": used.prompt, "image_tokens": 0}
        answer["usage"] = tokens_object(used) | {"input_tokens_details": details}
    return dumps(answer)
