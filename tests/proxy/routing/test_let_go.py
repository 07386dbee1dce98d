"""What was asked is let go of with its answer, whatever failed: no circle keeps it for a while."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind
from proxy.errors import ApiError
from tests.proxy.kit import HELLO, request
from tests.proxy.routing.kit import Build, Station

pytestmark = pytest.mark.anyio


class Said(dict[str, Any]):
    """A message that tells when it is gone."""


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def asked(station: Station) -> weakref.ref[Said]:
    """A request has been answered, or refused."""
    message = Said(role="user", content="A secret.")
    try:
        async with station.answer(request(messages=[message])) as events:
            async for _ in events:
                pass
    except (ApiError, AdapterError):
        pass
    return weakref.ref(message)


def failed(kind: ErrorKind, **more: Any) -> list[Any]:
    """Made anew each time, as an exception knows its last traceback."""
    return [AdapterError(kind, "no", provider="north", **more)]


@pytest.mark.parametrize(
    "north",
    [
        lambda: HELLO,
        lambda: failed(ErrorKind.NETWORK),
        lambda: failed(ErrorKind.RATE_LIMIT, retry_after_s=30),
        lambda: failed(ErrorKind.BAD_REQUEST),
        lambda: [*HELLO[:2], *failed(ErrorKind.BROKEN)],
        list,
    ],
    ids=["answered", "down", "limited", "refused", "cut", "nothing"],
)
@pytest.mark.parametrize("all_fail", [False, True], ids=["one", "all"])
@pytest.mark.usefixtures("_no_collector")
async def test_a_prompt_is_gone_as_soon_as_its_answer_is(
    build: Build, north: Callable[[], Sequence[Any]], *, all_fail: bool
) -> None:
    one = build("north", "south")
    for _ in range(2):  # the second time by what was learnt
        for name in ("north", "south") if all_fail else ("north",):
            one.play(name, *[north() for _ in range(4)])
        message = await asked(one)
        for adapter in one.adapters.values():
            adapter.script.requests.clear()
            adapter.script.answers.clear()
        assert message() is None
