"""The lists of foundation models and of inference profiles -> models. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.base import Model
from adapters.bedrock.names import bare
from adapters.events import Json
from adapters.wire.bounds import items, word

FOUNDATION = "/foundation-models"
PROFILES = "/inference-profiles"


def models_of(foundation: Json, profiles: Sequence[Json]) -> list[Model]:
    """What can be asked by its name: models that answer on demand, and profiles of any.

    Raises what reading raises where these are no lists.
    """
    rows = [row for row in items(foundation["modelSummaries"]) if _name(row, "modelId")]
    known = {row["modelId"]: row for row in rows}
    found = [_model(row["modelId"], row) for row in rows if _is_on_demand(row)]
    return found + [_model(name, _base(row, known)) for row in profiles if (name := _profile(row))]


def _profile(row: Json) -> str:
    """What a profile is called in a request: an owner's own is by its ARN alone."""
    own = row.get("type") == "APPLICATION"
    return _name(row, "inferenceProfileArn" if own else "inferenceProfileId")


def _base(row: Json, known: dict[str, Json]) -> Json:
    """The model behind a profile, as the other list has it."""
    arns = [str(one.get("modelArn")) for one in items(row.get("models"))]
    names = [arn.rpartition("/")[2] for arn in arns] + [bare(_name(row, "inferenceProfileId"))]
    return next((known[name] for name in names if name in known), {})


def _is_on_demand(row: Json) -> bool:
    kinds = row.get("inferenceTypesSupported")
    return not isinstance(kinds, list) or "ON_DEMAND" in kinds


def _model(name: str, row: Json) -> Model:
    gives = row.get("outputModalities")
    kinds = gives if isinstance(gives, list) else ["TEXT"]
    return Model(
        id=name,
        owned_by=word(row.get("providerName")) or "",
        chat="TEXT" in kinds and "EMBEDDING" not in kinds,
        embeds="EMBEDDING" in kinds,
    )


def _name(row: Any, key: str) -> str:
    return word(row.get(key), 2048) or ""
