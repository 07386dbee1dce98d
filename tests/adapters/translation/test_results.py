"""Every adapter gets one result behind each call."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from adapters.base import MISSING_RESULT, AdapterError, ErrorKind, Json
from adapters.contents import Contents, found_in
from adapters.translation import results
from adapters.translation.results import paired

USER: Json = {"role": "user", "content": "go"}


def calls(*ids: str) -> Json:
    made = [{"id": one, "function": {"name": f"f-{one}", "arguments": "{}"}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": made}


def result(call_id: str, content: str) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def test_results_stand_behind_their_calls_in_their_order_and_errors_name_their_places() -> None:
    plain = {"role": "assistant", "content": "hm", "tool_calls": None}
    given = [calls("a", "b", "c"), result("b", "2"), plain, result("a", "1"), USER]
    warnings: list[str] = []
    found = paired(given, "p", warnings)
    assert [(at, one.get("name"), one["content"]) for at, one in found] == [
        (0, None, None),
        (3, "f-a", "1"),
        (1, "f-b", "2"),
        (0, "f-c", MISSING_RESULT),
        (2, None, "hm"),
        (4, None, "go"),
    ]
    assert ("is_error" in found[1][1], found[3][1]["is_error"]) == (False, True)
    assert warnings == ["emulated=tool_result"]


def test_a_result_is_of_the_nearest_call_before_it_and_the_last_of_several_counts() -> None:
    given = [calls("a"), result("a", "1"), result("a", "2"), calls("a"), result("a", "3")]
    warnings: list[str] = []
    said = [one["content"] for _, one in paired(given, "p", warnings)]
    assert (said, warnings) == ([None, "2", None, "3"], [])


def test_a_result_of_no_call_is_refused_by_its_place() -> None:
    for given in ([USER, result("x", "1")], [result("a", "1"), calls("a")]):
        with pytest.raises(AdapterError) as caught:
            paired(given, "p", [])
        at = given.index(next(one for one in given if one["role"] == "tool"))
        assert (caught.value.kind, caught.value.provider) == (ErrorKind.BAD_REQUEST, "p")
        assert caught.value.param == f"messages[{at}].tool_call_id"


def test_who_has_a_name_is_looked_up_once_and_only_where_somebody_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []

    def counted(messages: Sequence[Json]) -> Contents:
        looks.append(len(messages))
        return found_in(messages)

    monkeypatch.setattr(results, "contents_of", counted)
    named = [{**USER, "name": f"u{at % 2}"} for at in range(9)]
    assert paired(named, "p", [])[8] == (8, {"role": "user", "content": "u0: go"})
    assert looks == [9]
    paired([USER] * 9, "p", [])
    assert looks == [9]
