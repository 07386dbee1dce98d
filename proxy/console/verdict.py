"""The owner's word on answers to the same prompt, read off a request. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from adapters.base import Json
from proxy.candidate import MODEL_NAME, Candidate
from proxy.console.change import check_provider
from proxy.errors import bad_request

MOST = 50
Verdict = Sequence[tuple[Candidate, bool]]
"""Who answered, and whether that was the best answer; where none was better, nobody's was."""


def verdict_of(told: Json, providers: Collection[str]) -> Verdict:
    """The verdict in a body: `answers`, and the place of the `better` one among them.

    Raises ApiError 400.
    """
    answers, better = told.get("answers"), told.get("better")
    if not isinstance(answers, list) or not 2 <= len(answers) <= MOST:
        raise bad_request(f"'answers' must be a list of 2 to {MOST} answers.", param="answers")
    if better is not None and (type(better) is not int or not 0 <= better < len(answers)):
        raise bad_request("'better' must be the place of an answer, or null.", param="better")
    return [
        (_candidate(one, f"answers[{at}]", providers), at == better)
        for at, one in enumerate(answers)
    ]


def _candidate(told: object, place: str, providers: Collection[str]) -> Candidate:
    if not isinstance(told, dict):
        raise bad_request(f"'{place}' must be an object.", param=place, code="invalid_type")
    provider = check_provider(told.get("provider"), providers, f"{place}.provider")
    model = told.get("model")
    if not isinstance(model, str) or not MODEL_NAME.fullmatch(model):
        raise bad_request(f"'{place}.model' must be the name of a model.", param=f"{place}.model")
    return Candidate(provider, model)
