"""Vectors go with no other model's: one model answers, whatever is switched on or fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, ProviderSettings, Usage, Warn
from adapters.tasks import MAX_TEXTS, EmbeddingRequest, Vectors
from proxy.candidate import Candidate
from proxy.errors import ApiError
from proxy.routing.operations.embeddings import Embeddings
from proxy.routing.operations.operation import Calls
from proxy.routing.operations.several import AT_ONCE
from proxy.routing.operations.table import operations_of
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.preference import Preference
from tests.proxy.kit import ScriptedAdapter, adapter, failure
from tests.proxy.routing.kit import Station

pytestmark = pytest.mark.anyio


class Weaver(ScriptedAdapter):
    """An adapter whose vectors tell the text they are of."""

    counts = True
    refusal: AdapterError | None = None
    refused_text = ""
    asked: list[int]
    now = most = 0

    @property
    def embedding_model(self) -> str:
        return f"{self.name}-vectors"

    def to_native_embedding(self, request: EmbeddingRequest) -> Any:
        raise NotImplementedError

    async def embed(self, request: EmbeddingRequest) -> AsyncGenerator[list[Any], None]:
        self.asked.append(len(request.texts))
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        if self.refusal and (not self.refused_text or self.refused_text in request.texts):
            raise self.refusal
        yield [Vectors([[float(text)] for text in request.texts])]
        if self.counts:
            yield [Usage(prompt=len(request.texts))]


def weaver(name: str, **fields: Any) -> Weaver:
    plain = adapter(name)
    fields = {"name": name, "script": plain.script, "title": name.title(), "asked": [], **fields}
    made: Weaver = type(name.title(), (Weaver,), fields)(plain.settings)
    return made


def keyed(one: ScriptedAdapter) -> ScriptedAdapter:
    one.settings = ProviderSettings(api_key="k", model="m")  # type: ignore[arg-type] # made a secret
    return one


def plan_of(
    model: str,
    *adapters: ScriptedAdapter,
    pin: str = "",
    listed: Mapping[str, list[str]] | None = None,
    untold: str = "",
    switched: str = "west",
    **preference: Any,
) -> Any:
    chooser = Chooser(
        {one.name: one for one in adapters},
        listed=lambda name: (listed or {}).get(name, []),
        has_told=lambda name: name != untold,
        last_resort=lambda _: None,
        operations=operations_of(pin),
    )
    request = EmbeddingRequest(model, ("1",))
    return chooser.plan(request, Preference(switched, chosen=True, **preference), fallback=True)


def three() -> tuple[ScriptedAdapter, ...]:
    return adapter("north"), weaver("south"), weaver("west")


def test_one_model_answers_whatever_is_switched_on_or_may_follow() -> None:
    for switched in ("north", "south", "west"):
        for model in ("default", "text-embedding-3-small"):
            plan = plan_of(model, *three(), pin="west/big", switched=switched)

            assert plan.candidates == (Candidate("west", "big"),)
            assert plan.unknown == (None if model == "default" else model)


def test_without_a_pin_it_is_the_first_that_can_one_with_a_key_before_a_local_one() -> None:
    north, south, west = three()

    assert plan_of("x", north, south, west).candidates == (Candidate("south", "south-vectors"),)
    keyed(west)
    assert plan_of("x", north, south, west).candidates == (Candidate("west", "west-vectors"),)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("west/own", Candidate("west", "own")),
        ("West", Candidate("west", "west-vectors")),
        ("listed", Candidate("west", "listed")),
        ("alias", Candidate("south", "meant")),
    ],
)
def test_a_model_that_is_known_by_its_name_is_asked_itself(model: str, expected: Candidate) -> None:
    plan = plan_of(
        model,
        *three(),
        pin="south",
        listed={"listed": ["north", "west"]},
        aliases={"alias": {"north": "chat", "south": "meant"}},
    )

    assert (plan.candidates, plan.unknown) == ((expected,), None)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("north/x", 400, "unsupported_feature"),
        ("west/", 404, "model_not_found"),
        ("south/x", 503, "no_provider_available"),
    ],
)
def test_who_cannot_do_it_is_told_so(model: str, status: int, code: str) -> None:
    north, south, west = three()
    south.script.unset = "no key"
    with pytest.raises(ApiError) as caught:
        plan_of(model, north, south, west)

    assert (caught.value.status, caught.value.code) == (status, code)


def test_while_a_list_is_missing_no_model_answers_in_place_of_one_that_may_be_there() -> None:
    with pytest.raises(ApiError) as caught:
        plan_of("own-name", *three(), pin="west/big", untold="south")
    assert (caught.value.status, caught.value.param) == (503, "model")

    for model in ("default", "text-embedding-ada-002", "big"):
        plan = plan_of(model, *three(), pin="west/big", untold="south")
        assert plan.candidates == (Candidate("west", "big"),)
    assert plan_of("own-name", *three(), pin="west/big").unknown == "own-name"


def test_where_nobody_can_do_it_the_request_is_refused() -> None:
    with pytest.raises(ApiError) as caught:
        plan_of("default", adapter("north"), adapter("south"))

    assert (caught.value.status, caught.value.code) == (400, "unsupported_feature")


def station(*adapters: ScriptedAdapter) -> Station:
    return Station({one.name: one for one in adapters}, operations=operations_of("south"))


async def answered(here: Station, count: int) -> list[Any]:
    texts = tuple(str(number) for number in range(count))
    async with here.answer(EmbeddingRequest("default", texts)) as answer:
        return [event async for batch in answer for event in batch]


async def test_many_texts_become_several_calls_and_one_answer_in_their_order() -> None:
    south = weaver("south")
    count = 6 * MAX_TEXTS + 7
    events = await answered(station(south), count)

    assert sorted(south.asked) == [7, *[MAX_TEXTS] * 6]
    assert 1 < south.most <= AT_ONCE
    vectors = [v for event in events if type(event) is Vectors for v in event.values]
    assert vectors == [[float(number)] for number in range(count)]
    assert [event for event in events if type(event) is Usage] == [Usage(prompt=count)]


async def test_a_provider_that_does_not_count_is_told_of() -> None:
    here = station(weaver("south", counts=False))

    assert Warn("missing=usage") in await answered(here, 3)
    assert here.receipt.prompt_guess == 1


async def test_one_call_that_fails_makes_the_whole_fail_and_nobody_else_is_asked() -> None:
    error = failure(ErrorKind.BAD_REQUEST, "south")
    south = weaver("south", refusal=error, refused_text=str(MAX_TEXTS))
    west = weaver("west")
    with pytest.raises(ApiError) as caught:
        await answered(station(south, west), 3 * MAX_TEXTS)

    assert caught.value.status == 400
    assert west.asked == []


async def test_a_model_that_is_gone_has_no_successor() -> None:
    south = weaver("south", refusal=failure(ErrorKind.MODEL_MISSING, "south", status=404))
    here = station(south)
    with pytest.raises(ApiError) as caught:
        await answered(here, 1)

    assert caught.value.status == 404
    assert here.retired.gone() == []


async def test_a_probe_keeps_the_others_back() -> None:
    south = weaver("south")
    told: list[int] = []
    request = EmbeddingRequest("m", tuple("1" for _ in range(3 * MAX_TEXTS)))
    events = Embeddings("").events(
        south, request, Calls(3, lambda number, _: told.append(number), one_first=True)
    )
    await anext(events)
    await events.aclose()

    assert told[0] == 0 and sorted(told) == [0, 1, 2]
