"""A list of models as any of these servers gives it -> ours. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.base import Model
from adapters.events import Json
from adapters.wire.bounds import count, items, unix_time, word

_NO_CHAT = (
    *("embed", "whisper", "tts", "transcribe", "dall-e", "gpt-image", "sora", "moderation"),
    *("rerank", "ocr", "flux", "stable-diffusion", "realtime", "guard", "davinci-002"),
    *("babbage-002", "clip", "speech"),
)
"""Parts of the names of models that answer no chat, where the list does not say."""
_CHAT_TYPES = ("chat", "language", "code", "llm", "vlm", "chat-completion")


def models_of(answer: Any) -> list[Model]:
    """The models. Raises what reading raises where it is no list of models."""
    rows = answer if isinstance(answer, list) else answer.get("data", answer.get("models"))
    if rows is None and answer.get("object") != "list":  # of an empty one some write null
        raise ValueError("no list")
    rows = [row for row in items(rows) if isinstance(row, dict)]
    return [_model(row) for row in rows if (name := word(row.get("id"))) and name == row["id"]]


def _model(row: Json) -> Model:
    embeds = _embeds(row)
    return Model(
        id=row["id"],
        created=unix_time(row.get("created")) or 0,
        owned_by=word(row.get("owned_by") or row.get("publisher")) or "",
        context=_first_count(row, ("context_length", "context_window", "max_context_length"))
        or _first_count(row, ("max_model_len", "max_input_tokens"))
        or _first_count(row.get("meta"), ("n_ctx", "n_ctx_train"))
        or _first_count(row.get("limits"), ("max_input_tokens",)),
        most_output=_first_count(row, ("max_completion_tokens", "max_output_tokens"))
        or _first_count(row.get("top_provider"), ("max_completion_tokens",))
        or _first_count(row.get("limits"), ("max_output_tokens",)),
        chat=not embeds and _chats(row),
        free=_is_free(row),
        embeds=embeds,
    )


def _first_count(row: Any, names: Sequence[str]) -> int | None:
    if not isinstance(row, dict):
        return None
    return next((found for name in names if (found := count(row.get(name)))), None)


def _embeds(row: Json) -> bool:
    return row.get("type") in ("embedding", "embeddings") or "embed" in row["id"].lower()


def _chats(row: Json) -> bool:
    can = row.get("capabilities")
    if isinstance(can, dict) and isinstance(can.get("completion_chat"), bool):
        return bool(can["completion_chat"])
    if isinstance(row.get("type"), str) and row["type"] != "model":
        return row["type"] in _CHAT_TYPES
    name = row["id"].lower()
    return not any(part in name for part in _NO_CHAT)


def _is_free(row: Json) -> bool:
    """Where there are prices, only what costs nothing is free."""
    price = row.get("pricing")
    if not isinstance(price, dict) or "prompt" not in price:
        return True
    return price["prompt"] in (0, "0") and price.get("completion") in (0, "0")
