"""Narrows candidates to those that may be asked, however they were chosen. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from proxy.candidate import Candidate
from proxy.errors import ApiError
from proxy.routing.planning.aliases import fits


class Allowed(Struct, frozen=True):
    """What an app may ask; none of either stands for all. A `*` in a model is any text.

    A model is named as its provider names it, or with the provider before it.
    """

    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()

    def permits(self, provider: str, model: str) -> bool:
        if self.providers and provider not in self.providers:
            return False
        names = model, f"{provider}/{model}"
        return not self.models or any(fits(one, name) for one in self.models for name in names)


def narrowed(
    candidates: Sequence[Candidate],
    may: Callable[[Candidate], bool],
    refusal: Callable[[str], ApiError],
) -> tuple[Candidate, ...]:
    """Those that may be asked. Raises the refusal, made of all their names, where none may."""
    kept = tuple(one for one in candidates if may(one))
    if not kept:
        raise refusal(", ".join(map(str, candidates)))
    return kept


def permitted(candidates: Sequence[Candidate], allowed: Allowed) -> tuple[Candidate, ...]:
    """Those of the candidates that an app may ask. Raises ApiError 403."""

    def refusal(names: str) -> ApiError:
        may = ", ".join((*allowed.providers, *allowed.models))
        return ApiError(
            403,
            f"This key does not have access to {names}. It may ask: {may}.",
            type_="permission_error",
            code="model_not_allowed",
            param="model",
            should_retry=False,
        )

    return narrowed(candidates, lambda one: allowed.permits(one.provider, one.model), refusal)
