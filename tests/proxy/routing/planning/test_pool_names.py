"""A pool's name before a model's: whoever of it has the model, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from adapters.tasks import EmbeddingRequest
from proxy.errors import ApiError
from proxy.providers import pooled
from proxy.routing.operations.table import operations_of
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.preference import Preference
from tests.proxy.kit import adapter, request
from tests.proxy.routing.operations.test_embeddings import weaver

POOLS = {"home": ("desk", "attic")}
CHOSEN = Preference("cloud", chosen=True)


def chooser(lists: Mapping[str, Sequence[str]], *unset: str) -> Chooser:
    made = {name: weaver(name) for name in ("cloud", "desk", "attic")}
    made["plain"] = adapter("plain")  # type: ignore[assignment] # it makes no vectors
    for name in unset:
        made[name].script.unset = "not set"
    return Chooser(
        made,
        listed=lambda model: [name for name, models in lists.items() if model in models],
        last_resort=lambda _: None,
        operations=operations_of(""),
        pools={**POOLS, "mixed": ("plain",)},
    )


def order(found: Chooser, model: str, **fields: Any) -> list[str]:
    return [str(one) for one in found.plan(request(model), CHOSEN, **fields).candidates]


def test_who_has_the_model_is_asked_and_all_where_nobody_is_known_to() -> None:
    found = chooser({"attic": ["qwen3:8b"], "cloud": ["qwen3:8b"]})

    assert order(found, "home/qwen3:8b") == order(found, "HOME:qwen3:8b") == ["attic/qwen3:8b"]
    assert order(found, "home/other") == ["desk/other", "attic/other"]
    assert order(found, "home") == ["desk/desk-model", "attic/attic-model"]
    assert order(found, "homes")[0] == "cloud/cloud-model"


def test_others_stand_in_only_where_the_request_says_so() -> None:
    found = chooser({}, "desk")

    assert order(found, "home/m") == ["attic/m"]
    assert order(found, "home/m", fallback=True)[:2] == ["attic/m", "cloud/cloud-model"]
    assert not found.plan(request("home/m"), CHOSEN).pinned


def test_what_cannot_be_asked_is_an_error_that_names_it() -> None:
    for found, model, status in (
        (chooser({}), "home/", 404),
        (chooser({}, "desk", "attic"), "home/m", 503),
    ):
        with pytest.raises(ApiError) as caught:
            order(found, model)
        assert caught.value.status == status


def test_vectors_are_made_by_one_of_it() -> None:
    found = chooser({"attic": ["nomic"]})
    for named, by in (("home/nomic", "attic/nomic"), ("home", "desk/desk-vectors")):
        plan = found.plan(EmbeddingRequest(named, ("a",)), CHOSEN)
        assert [str(one) for one in plan.candidates] == [by]
        assert plan.pinned
    with pytest.raises(ApiError, match="cannot do"):
        found.plan(EmbeddingRequest("mixed/m", ("a",)), CHOSEN)


def test_lists_are_asked_for_the_model_without_the_pool() -> None:
    found = chooser({})
    asked = ("home/qwen3:8b", "home", "desk/m", "gpt-4o")
    assert [found.to_look_up(model) for model in asked] == ["qwen3:8b", None, None, "gpt-4o"]
    assert [found.names_model(model) for model in asked] == [True, False, True, False]


@pytest.mark.parametrize(
    ("pools", "why"),
    [
        (["home:desk"], "write each as"),
        (["desk+attic"], "write each as"),
        (["a b:desk+attic"], "cannot be the name"),
        (["default:desk+attic"], "cannot be the name"),
        (["ollama:desk+attic"], "cannot be the name"),
        (["a:desk+attic", "a:x+y"], "is there twice"),
        (["a:desk+attic", "b:desk+x"], "in one pool only"),
    ],
)
def test_a_pool_has_a_name_of_its_own(pools: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        pooled(pools)
    assert pooled(["Home: desk + attic"]) == {"home": ["desk", "attic"]}
