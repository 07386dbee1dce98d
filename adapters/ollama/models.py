"""Ollama's list of models -> ours. Pure."""

from __future__ import annotations

from adapters.base import Model
from adapters.events import Json
from adapters.ollama.host import CLOUD_MODELS
from adapters.wire.bounds import iso_time, items


def models_of(answer: Json) -> list[Model]:
    """The models. Raises what reading raises where it is no list of models."""
    return [_model(row) for row in items(answer["models"]) if row.get("model") or row.get("name")]


def _model(row: Json) -> Model:
    name = row.get("model") or row["name"]
    embeds = _only_embeds(name, (row.get("details") or {}).get("family"))
    return Model(
        id=name,
        created=iso_time(row.get("modified_at")) or 0,
        owned_by=name.rpartition("/")[0] or "library",
        chat=not embeds,
        embeds=embeds,
        free=not name.endswith(CLOUD_MODELS),
    )


def _only_embeds(model: str, family: str | None) -> bool:
    return "embed" in model or "bert" in (family or "")
