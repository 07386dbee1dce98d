"""The owner's word on answers to the same prompt, read off a request. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from adapters.base import Json
from proxy.candidate import Candidate
from proxy.console.change import check_model, check_provider
from proxy.doors.reading.checks import checked, json_list, json_object, out_of_range, whole

MOST = 50
Verdict = Sequence[tuple[Candidate, bool]]
"""Who answered, and whether that was the best answer; where none was better, nobody's was."""


def verdict_of(told: Json, providers: Collection[str]) -> Verdict:
    """The verdict in a body: `answers`, and the place of the `better` one among them.

    Raises ApiError 400.
    """
    answers = json_list("answers", told.get("answers"))
    if not 2 <= len(answers) <= MOST:
        raise out_of_range("answers", f"a list of 2 to {MOST} answers")
    better = checked(told, "better", whole(0, len(answers) - 1))
    return [
        (_candidate(json_object(f"answers[{at}]", one), f"answers[{at}]", providers), at == better)
        for at, one in enumerate(answers)
    ]


def _candidate(told: Json, place: str, providers: Collection[str]) -> Candidate:
    provider = check_provider(told.get("provider"), providers, f"{place}.provider")
    return Candidate(provider, check_model(f"{place}.model", told.get("model")))
