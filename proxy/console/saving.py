"""What is told where something that the owner wants kept cannot be."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from proxy.errors import ApiError
from proxy.store.base import StoreError

DISK_FULL_STATE = "53100"  # PostgreSQL's SQLSTATE


@contextmanager
def saving(what: str) -> Iterator[None]:
    """Say that it was not kept, and why. Raises ApiError."""
    try:
        yield
    except StoreError as error:
        raise ApiError(
            507 if _is_full(error) else 503,
            f"{what} was not saved and nothing has changed: {error}.",
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
