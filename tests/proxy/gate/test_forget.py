"""An error that nobody needs any more holds nothing of what it was raised through."""

from __future__ import annotations

import asyncio
import gc
import weakref

from proxy.gate.work import forget


class Body:
    """What a request holds."""


def held(*, forgotten: bool) -> bool:
    """Whether an error that is its own context holds the body past which it was raised."""
    seen: list[weakref.ref[Body]] = []

    def serve() -> None:
        body = Body()
        seen.append(weakref.ref(body))
        raise asyncio.CancelledError

    gc.disable()
    try:
        try:
            serve()
        except asyncio.CancelledError as error:
            error.__context__ = error
            if forgotten:
                forget(error)
        return seen[0]() is not None
    finally:
        gc.enable()


def test_an_error_that_is_its_own_context_holds_no_body_once_it_is_forgotten() -> None:
    assert held(forgotten=False)
    assert not held(forgotten=True)
