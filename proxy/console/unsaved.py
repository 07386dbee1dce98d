"""What the owner is told where the database cannot be read or written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from proxy.errors import ApiError
from proxy.store.base import StoreError

DISK_FULL_STATE = "53100"  # PostgreSQL's SQLSTATE


def saving(what: str) -> AbstractContextManager[None]:
    """Say that it was not kept, and why. Raises ApiError."""
    return or_say(f"{what} was not saved and nothing has changed")


def reading(what: str) -> AbstractContextManager[None]:
    """Say that it cannot be read, and why. Raises ApiError."""
    return or_say(f"{what} cannot be read")


@contextmanager
def or_say(words: str) -> Iterator[None]:
    """Say in `words` what holds as the database does not do it, and why not. Raises ApiError."""
    try:
        yield
    except StoreError as error:
        raise ApiError(
            507 if _is_full(error) else 503,
            f"{words}: {error}.",
            type_="service_unavailable_error",
            code="store_unavailable",
            should_retry=False,
        ) from error


def _is_full(error: StoreError) -> bool:
    cause = error.__cause__
    cause = getattr(cause, "orig", None) or cause
    return (
        getattr(cause, "sqlite_errorname", "").startswith("SQLITE_FULL")
        or getattr(cause, "sqlstate", None) == DISK_FULL_STATE
        or getattr(cause, "errno", None) == errno.ENOSPC
    )
