"""From a request to the first content: attempts, rotation, the commit point, the receipt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from adapters.base import (
    CONTENT_EVENTS,
    AdapterError,
    Annotation,
    Capabilities,
    ChatRequest,
    ErrorKind,
    Event,
    Finish,
    Logprobs,
    Media,
    Phase,
    RateLimits,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.answer import Answer
from proxy.attempts import MAX_ATTEMPTS
from proxy.candidates import Candidate, Chooser, Preference
from proxy.errors import ApiError
from proxy.health import Health
from proxy.images import ImageFetcher
from proxy.receipt import Receipt
from proxy.router import Router
from proxy.windows import Limits
from proxy.work import Rounds, Work
from tests.proxy.kit import EVERYTHING, HANG, HELLO, ScriptedAdapter, adapter, failure, request

pytestmark = pytest.mark.anyio

NETWORK, SERVER, LIMIT = ErrorKind.NETWORK, ErrorKind.SERVER, ErrorKind.RATE_LIMIT


@dataclass
class Clock:
    """A clock that goes on only by sleeping."""

    now_s: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, wait_s: float) -> None:
        self.now_s += wait_s
        self.slept.append(wait_s)


@dataclass
class Station:
    """Providers in their order of preference, and a router before them."""

    adapters: dict[str, ScriptedAdapter]
    strict_params: bool = False
    max_wait_s: float = 0
    chance: float = 0
    limits: dict[str, Limits] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    receipt: Receipt = field(default_factory=Receipt)
    preference: Preference = field(default_factory=lambda: Preference("north", chosen=True))

    def __post_init__(self) -> None:
        async def know(_model: str) -> None:
            return None

        async def windows(candidates: Sequence[Candidate]) -> dict[Candidate, int]:
            known = {c: self.windows.get(c.provider) for c in candidates}
            return {c: size for c, size in known.items() if size}

        chooser = Chooser(self.adapters, listed=lambda _: (), last_resort=lambda _: None)
        self.router = Router(
            self.adapters,
            chooser,
            Health(self.limits, clock=self.clock, wall=self.clock),
            know=know,
            windows=windows,
            images=ImageFetcher("off"),
            strict_params=self.strict_params,
            max_wait_s=self.max_wait_s,
            clock=self.clock,
            sleep=self.clock.sleep,
            chance=lambda: self.chance,
        )

    @contextlib.asynccontextmanager
    async def answer(self, asked: ChatRequest) -> AsyncIterator[Answer]:
        work = Work(Rounds())
        try:
            answer = await self.router.chat(asked, self.preference, self.receipt, work)
            async with contextlib.aclosing(answer):
                yield answer
        finally:
            work.close()

    async def ask(self, model: str = "default", **fields: Any) -> list[Event]:
        self.receipt = Receipt()
        found: list[Event] = []
        asked = request(model, **fields)
        async with self.answer(asked) as events:
            async for batch in events:
                found += batch
        return found

    async def refused(self, model: str = "default", **fields: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            await self.ask(model, **fields)
        return caught.value

    def play(self, name: str, *answers: Sequence[Any]) -> None:
        self.adapters[name].script.play(*answers)

    def calls(self) -> list[int]:
        return [len(one.script.requests) for one in self.adapters.values()]

    @property
    def is_quiet(self) -> bool:
        return all(one.script.open_calls == 0 for one in self.adapters.values())


Build = Callable[..., Station]


@pytest.fixture
async def build() -> AsyncIterator[Build]:
    stations: list[Station] = []

    def make(*names: str, **fields: Any) -> Station:
        names = names or ("north", "south")
        stations.append(Station({name: adapter(name) for name in names}, **fields))
        return stations[-1]

    yield make
    for station in stations:
        await station.router.close()
        assert station.is_quiet


# Attempts and rotation


TOO_LONG = [{"role": "user", "content": "word " * 8000}]
"""About ten thousand tokens."""


@pytest.mark.parametrize(
    ("windows", "asked"),
    [
        ({"north": 8192, "south": 131_072}, "south"),
        ({"north": 8192, "south": 8192}, None),
        ({"north": 8192, "south": 4096}, None),
        ({"north": 8192}, None),
        ({"south": 131_072}, "south"),
        ({"south": 8192}, None),
        ({}, None),
    ],
    ids=["larger", "as large", "smaller", "unknown", "enough", "not enough", "nothing known"],
)
async def test_too_long_a_request_goes_on_only_to_a_window_known_to_be_larger(
    build: Build, windows: dict[str, int], asked: str | None
) -> None:
    station = build(windows=windows)
    station.play("north", [failure(ErrorKind.CONTEXT, "north")])

    if asked:
        await station.ask(messages=TOO_LONG)
        assert station.receipt.provider == asked
    else:
        assert (await station.refused(messages=TOO_LONG)).code == "context_length_exceeded"
        assert station.calls() == [1, 0]


async def test_a_plain_answer_takes_one_call(build: Build) -> None:
    station = build()

    events = await station.ask()

    assert events == [event for batch in HELLO for event in batch]  # type: ignore[union-attr]
    assert station.calls() == [1, 0]
    receipt = station.receipt
    assert (receipt.attempts, receipt.provider, receipt.model) == (["north:200"], "north", "toy-1")


async def test_the_provider_gets_its_own_model(build: Build) -> None:
    station = build()
    asked = request("gpt-4o")
    async with station.answer(asked) as events:
        async for _ in events:
            pass

    assert station.adapters["north"].script.requests == [
        structs.replace(asked, model="north-model")
    ]
    assert asked.model == "gpt-4o"


@pytest.mark.parametrize("kind", sorted(set(ErrorKind) - {ErrorKind.BAD_REQUEST}))
async def test_a_failure_before_content_rotates_unseen(build: Build, kind: ErrorKind) -> None:
    station = build(windows={"north": 8192, "south": 131_072})
    station.play("north", [failure(kind, "north")])

    events = await station.ask()

    assert Text("lo") in events
    assert station.calls() == [1, 1]
    assert station.receipt.attempts == [f"north:{kind}", "south:200"]
    assert station.clock.slept in ([], [0.0])
    assert (station.receipt.provider, station.receipt.model) == ("south", "toy-1")


async def test_a_status_is_told_where_there_was_one(build: Build) -> None:
    station = build()
    station.play("north", [failure(LIMIT, "north", status=429)])

    await station.ask()

    assert station.receipt.attempts == ["north:429", "south:200"]


async def test_a_bad_request_is_final(build: Build) -> None:
    station = build()
    station.play("north", [failure(ErrorKind.BAD_REQUEST, "north", param="tools")])

    error = await station.refused()

    assert (error.status, error.param, error.provider) == (400, "tools", "north")
    assert station.calls() == [1, 0]


async def test_a_bad_request_after_a_rotation_is_told_and_final(build: Build) -> None:
    station = build("north", "south", "east")
    station.play("north", [failure(LIMIT, "north", retry_after_s=5)])
    station.play("south", [failure(ErrorKind.BAD_REQUEST, "south")])

    error = await station.refused()

    assert (error.status, error.provider) == (400, "south")
    assert station.calls() == [1, 1, 0]


async def test_a_named_provider_never_rotates(build: Build) -> None:
    station = build()
    station.play("south", [failure(NETWORK, "south")])

    error = await station.refused("south/big")

    assert (error.status, error.provider) == (503, "south")
    assert station.calls() == [0, 1]


async def test_at_most_four_attempts_are_made(build: Build) -> None:
    names = [f"p{i}" for i in range(7)]
    station = build(*names)
    station.preference = Preference("p0", chosen=True)
    for name in names:
        station.play(name, [failure(SERVER, name)])

    await station.refused()

    assert sum(station.calls()) == MAX_ATTEMPTS == 4
    assert station.receipt.attempts == [f"p{i}:server" for i in range(4)]


async def test_a_server_error_is_tried_again_where_nobody_else_is_left(build: Build) -> None:
    station = build("north")
    station.play("north", [failure(SERVER, "north")])

    assert Text("lo") in await station.ask()

    assert station.receipt.attempts == ["north:server", "north:200"]
    assert 0 <= station.clock.slept[-1] <= 8


async def test_no_provider_is_asked_a_third_time(build: Build) -> None:
    station = build("north")
    station.play("north", *[[failure(SERVER, "north")]] * 3)

    assert (await station.refused()).status == 503
    assert station.receipt.attempts == ["north:server"] * 2


async def test_a_told_wait_is_waited_where_nobody_else_is_left(build: Build) -> None:
    station = build("north", max_wait_s=10)
    station.play("north", [failure(LIMIT, "north", retry_after_s=3)])

    assert Text("lo") in await station.ask()

    assert station.receipt.attempts == ["north:rate_limit", "north:200"]
    assert 3 <= station.clock.now_s - 1000 <= 3.5


async def test_a_wait_that_is_too_long_is_told_to_the_client(build: Build) -> None:
    station = build("north", max_wait_s=10)
    station.play("north", [failure(LIMIT, "north", retry_after_s=30)])

    error = await station.refused()

    assert error.status == 429
    assert error.retry_after_s is not None and 30 <= error.retry_after_s <= 33
    assert station.clock.now_s == 1000
    assert station.calls() == [1]


async def test_who_told_a_wait_is_not_asked_before_it_is_over(build: Build) -> None:
    station = build()
    station.play("north", [failure(LIMIT, "north", retry_after_s=30)])
    await station.ask()

    await station.ask()
    assert station.receipt.attempts == ["south:200"]

    station.clock.now_s += 34
    await station.ask()
    assert station.receipt.attempts == ["north:200"]


async def test_who_cannot_do_it_is_skipped_and_named(build: Build) -> None:
    station = build()
    station.adapters["north"].script.abilities = Capabilities(tools=False)

    await station.ask(tools=[{"type": "function", "function": {"name": "f"}}])

    assert station.calls() == [0, 1]
    assert station.receipt.warnings == ["skipped=north:tools"]


async def test_an_unexpected_exception_is_not_hidden_by_rotation(build: Build) -> None:
    station = build()
    station.play("north", [ZeroDivisionError("our own bug")])

    with pytest.raises(ZeroDivisionError):
        await station.ask()

    assert station.calls() == [1, 0]


async def test_who_has_answered_is_remembered(build: Build) -> None:
    station = build()
    station.play("north", [failure(NETWORK, "north")])

    await station.ask()

    assert station.router.answered == {"south"}


# The final error


@pytest.mark.parametrize(
    ("north", "south", "status", "retry_after"),
    [
        ((LIMIT, 9), (LIMIT, 4), 429, b"4"),
        ((LIMIT, 7), (NETWORK, None), 429, b"7"),
        ((NETWORK, None), (NETWORK, None), 503, b"1"),
        ((ErrorKind.AUTH, None), (ErrorKind.AUTH, None), 502, None),
    ],
    ids=str,
)
async def test_when_all_fail_the_most_telling_is_told(
    build: Build, north: Any, south: Any, status: int, retry_after: bytes | None
) -> None:
    station = build()
    station.play("north", [failure(north[0], "north", retry_after_s=north[1])])
    station.play("south", [failure(south[0], "south", retry_after_s=south[1])])

    error = await station.refused()

    assert error.status == status
    assert dict(error.headers()).get(b"retry-after") == retry_after
    assert station.receipt.attempts == [f"north:{north[0]}", f"south:{south[0]}"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [(LIMIT, (b"22", b"22000", None)), (ErrorKind.QUOTA_DAY, (b"20", b"20000", b"false"))],
)
async def test_the_end_of_a_limit_is_told_a_little_later_but_not_of_a_day(
    build: Build, kind: ErrorKind, told: tuple[bytes, bytes, bytes | None]
) -> None:
    station = build("north", chance=1.0)
    station.play("north", [failure(kind, "north", retry_after_s=20)])

    headers = dict((await station.refused()).headers())

    names = (b"retry-after", b"retry-after-ms", b"x-should-retry")
    assert tuple(headers.get(name) for name in names) == told


async def test_a_new_user_is_told_the_ways_to_an_answer(build: Build) -> None:
    station = build("north", preference=Preference("north"))
    station.play("north", [failure(NETWORK, "north")])

    assert "set NORTH_API_KEY" in (await station.refused()).message


async def test_one_who_has_chosen_is_not_told_how_to_set_up(build: Build) -> None:
    station = build("north")
    station.play("north", [failure(NETWORK, "north")])

    assert "set NORTH_API_KEY" not in (await station.refused()).message


# The commit point

CONTENT: list[Event] = [
    Text("x"),
    Reasoning("x"),
    Refusal("x"),
    ToolCall(0, "f"),
    Finish("stop"),
    Media("image/png", "AA=="),
    Annotation({}),
    Logprobs([]),
]


@pytest.mark.parametrize("event", [Start(), RateLimits(), Usage(), Warn("w")], ids=repr)
async def test_what_is_no_content_commits_nothing(build: Build, event: Event) -> None:
    station = build()
    station.play("north", [[event], failure(SERVER, "north")])

    events = await station.ask()

    assert Text("lo") in events
    assert station.receipt.attempts == ["north:server", "south:200"]


@pytest.mark.parametrize("event", CONTENT, ids=lambda event: type(event).__name__)
async def test_after_content_nothing_rotates(build: Build, event: Event) -> None:
    assert type(event) in CONTENT_EVENTS
    station = build()
    station.play("north", [[Start()], [event], failure(SERVER, "north")])
    found: list[Event] = []

    with pytest.raises(AdapterError) as caught:
        async with station.answer(request()) as events:
            async for batch in events:
                found += batch

    assert found == [Start(), event]
    assert caught.value.phase is Phase.AFTER_CONTENT
    assert station.calls() == [1, 0]


def test_every_content_event_has_a_row_here() -> None:
    assert {type(event) for event in CONTENT} == set(CONTENT_EVENTS)


async def test_an_answer_that_ends_before_it_began_rotates(build: Build) -> None:
    station = build()
    station.play("north", [[Start()], [Usage(3, 0)]])

    await station.ask()

    assert station.receipt.attempts == ["north:bad_response", "south:200"]


async def test_nothing_of_a_failed_attempt_is_in_the_answer(build: Build) -> None:
    station = build()
    station.play("north", [[Start(model="north-1"), Warn("north")], failure(SERVER, "north")])

    events = await station.ask()

    assert Start(model="north-1") not in events
    assert station.receipt.model == "toy-1"
    assert station.receipt.warnings == []


async def test_leaving_early_closes_the_provider(build: Build) -> None:
    station = build()
    station.play("north", [[Text("a")], HANG])

    async with station.answer(request()) as events:
        await anext(events)

    assert station.is_quiet


async def test_leaving_before_the_first_content_closes_the_provider(build: Build) -> None:
    station = build()
    station.play("north", [[Start()], HANG])
    asking = asyncio.create_task(station.ask())
    assert await asyncio.to_thread(station.adapters["north"].script.began.wait, 5)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert station.is_quiet


# Several choices, strict parameters, images


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("can", [True, False])
async def test_choices_are_fanned_out_where_a_provider_gives_one(
    build: Build, *, stream: bool, can: bool
) -> None:
    station = build("north")
    abilities = structs.replace(EVERYTHING, n=can or stream, n_stream=can or not stream)
    station.adapters["north"].script.abilities = abilities

    await station.ask(n=2, stream=stream)

    assert [sent.n for sent in station.adapters["north"].script.requests] == (
        [2] if can else [1, 1]
    )
    assert station.receipt.warnings == ([] if can else ["emulated=n"])


ONE_AT_A_TIME = structs.replace(EVERYTHING, n=False, n_stream=False)


async def test_each_choice_takes_a_place_of_its_own_and_all_are_one_attempt(build: Build) -> None:
    station = build(limits={"north": Limits(requests_per_minute=5)})
    station.adapters["north"].script.abilities = ONE_AT_A_TIME

    await station.ask(n=3)
    assert station.receipt.attempts == ["north:200"]
    assert station.receipt.usage == Usage(9, 6)
    await station.ask(n=3)
    assert station.receipt.attempts == ["south:200"]
    await station.ask(n=2)
    assert station.receipt.attempts == ["north:200"]

    assert [len(one.script.requests) for one in station.adapters.values()] == [5, 1]


async def test_more_choices_than_a_limit_has_room_for_are_refused_and_say_why(build: Build) -> None:
    station = build("north", limits={"north": Limits(requests_per_minute=2)})
    station.adapters["north"].script.abilities = ONE_AT_A_TIME

    error = await station.refused(n=3)

    assert (error.status, error.code, error.param) == (400, "unsupported_feature", "n")
    assert "3 calls at once need more than 2 requests a minute" in error.message
    assert error.headers() == []
    assert station.calls() == [0]


async def test_who_is_in_doubt_is_tried_by_one_call_even_for_several_choices(build: Build) -> None:
    station = build("north")
    script = station.adapters["north"].script
    script.abilities = ONE_AT_A_TIME
    station.play("north", [failure(LIMIT, "north", retry_after_s=5)])
    await station.refused()
    station.clock.now_s += 5
    station.play("north", [[Start()], HANG])

    asking = asyncio.create_task(station.ask(n=3))
    assert await asyncio.to_thread(script.began.wait, 5)
    assert [sent.n for sent in script.requests[1:]] == [1]
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    await station.ask(n=3)
    assert len(script.requests) == 5


@pytest.mark.parametrize("strict", [True, False])
async def test_strict_params_refuse_what_would_be_dropped(build: Build, *, strict: bool) -> None:
    station = build("north", strict_params=strict)
    station.adapters["north"].script.warnings = ("dropped=prompt_cache_key", "dropped=logit_bias")

    if not strict:
        await station.ask()
        return
    error = await station.refused()

    assert (error.status, error.code) == (400, "unsupported_parameter")
    assert error.param == "logit_bias"
    assert station.calls() == [0]


@pytest.mark.parametrize("warning", ["dropped=prediction", "emulated=tool_choice"])
async def test_strict_params_let_hints_and_emulations_pass(build: Build, warning: str) -> None:
    station = build("north", strict_params=True)
    station.adapters["north"].script.warnings = (warning,)

    assert Text("lo") in await station.ask()


IMAGE_URL = [
    {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "https://pictures.example/x.png"}}],
    }
]


async def test_an_image_that_cannot_be_fetched_is_the_requests_fault(build: Build) -> None:
    station = build()
    station.adapters["north"].script.abilities = Capabilities(image_urls=False)

    error = await station.refused(messages=IMAGE_URL)

    assert (error.status, error.code) == (400, "invalid_image_url")
    assert error.param is not None and error.param.startswith("messages[0].content[0]")
    assert station.calls() == [0, 0]


async def test_an_image_url_is_left_to_who_takes_urls(build: Build) -> None:
    station = build()

    await station.ask(messages=IMAGE_URL)

    assert station.adapters["north"].script.requests[0].messages == IMAGE_URL


# The receipt


async def test_the_receipt_tells_each_warning_once(build: Build) -> None:
    station = build("north")
    station.play("north", [[Warn("a"), Start(request_id="req-9")], [Text("x"), Warn("a")]])

    await station.ask()

    assert station.receipt.warnings == ["a"]
    assert station.receipt.upstream_id == "req-9"


async def test_the_receipt_tells_every_try_and_its_reason(build: Build) -> None:
    station = build("north", "south")
    station.play("north", [failure(LIMIT, "north", status=429, retry_after_s=60)])

    await station.ask()

    first, second = station.receipt.tries
    assert (first.provider, first.outcome, first.reason) == ("north", "429", LIMIT)
    assert (second.provider, second.outcome, second.reason) == ("south", "200", None)
    assert first.message == f"failed with {LIMIT}"
    assert 0 <= first.ended_s <= second.ended_s == station.receipt.first_s
    assert [one.provider for one in station.receipt.considered] == ["north", "south"]
    assert not station.receipt.passed


async def test_the_receipt_tells_what_may_have_been_billed_without_an_answer(build: Build) -> None:
    station = build("north", "east", "south")
    station.play("north", [failure(ErrorKind.TIMEOUT_FIRST_BYTE, "north")])
    station.play("east", [failure(NETWORK, "east")])

    await station.ask()

    assert [one.maybe_billed for one in station.receipt.tries] == [True, False, False]
    assert station.receipt.warnings == ["maybe_billed=north"]


async def test_the_receipt_tells_who_was_passed_over_and_why(build: Build) -> None:
    station = build("north", "south")
    station.play("north", [failure(LIMIT, "north", status=429, retry_after_s=60)])
    await station.ask()
    station.receipt = Receipt()

    await station.ask()

    assert station.receipt.attempts == ["south:200"]
    assert {one.provider: why for one, why in station.receipt.passed.items()} == {
        "north": "rate limit"
    }


async def test_the_receipt_holds_what_came(build: Build) -> None:
    station = build("north")

    await station.ask()

    assert (station.receipt.usage, station.receipt.finish) == (
        Usage(prompt=3, completion=2),
        "stop",
    )
    assert station.receipt.written == len("Hello")
    assert station.receipt.prompt_guess == 2


async def test_a_failed_try_has_no_first_content(build: Build) -> None:
    station = build("north")
    station.play("north", [failure(ErrorKind.BAD_REQUEST, "north", status=400)])

    await station.refused()

    assert station.receipt.first_s is None
