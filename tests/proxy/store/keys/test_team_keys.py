"""Keys that the owner makes: kept as digests, known to every process, revoked for good."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy.console.team import change
from proxy.errors import ApiError
from proxy.store.base import sqlite_path
from proxy.store.keys.team_keys import TeamKeys, fresh
from tests.proxy.store.kit import running, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]

LIMITS = {
    "role": "owner",
    "requests_per_minute": 3,
    "tokens_per_minute": 4000,
    "day_nano_usd": 5_000_000_000,
    "month_nano_usd": 6_000_000_000_000,
    "models": ("llama-*", "tiny"),
    "providers": ("near",),
    "created_ms": 1_790_000_000_000,
}


async def test_a_key_outlives_the_process_with_all_that_it_may(url: str) -> None:
    key, shown = fresh("anna", **LIMITS)
    async with running(url) as one:
        await one.make(key)
        assert one.team.of(shown.encode()) == one.team.named["anna"]

    async with running(url) as one:
        found = one.team.of(shown.encode())
        assert found is not None
        assert {name: getattr(found, name) for name in LIMITS} == LIMITS
        assert (found.name, found.ending) == ("anna", shown[-4:])
        assert one.team.of(shown.encode() + b"x") is None
        assert one.team.has_owner


async def test_another_process_knows_a_key_and_its_end_by_itself(url: str) -> None:
    key, shown = fresh("anna")
    async with running(url) as one, running(url) as other:
        await one.make(key)
        await until(lambda: other.team.of(shown.encode()))

        await other.make(replace(other.team.named["anna"], revoked_ms=1))
        assert other.team.of(shown.encode()) is None
        await until(lambda: one.team.of(shown.encode()) is None)


async def test_a_change_is_kept_and_known_elsewhere_but_not_of_a_key_that_is_revoked(
    url: str,
) -> None:
    key, shown = fresh("anna", **LIMITS)
    async with running(url) as one, running(url) as other:
        await one.make(key)
        before = one.team.named["anna"]
        await one.make(replace(before, tokens_per_minute=None, models=()))
        await until(lambda: (found := other.team.of(shown.encode())) and not found.models)
        assert other.team.named["anna"] == replace(before, tokens_per_minute=None, models=())

        await other.make(replace(other.team.named["anna"], revoked_ms=1))
        asked = {"tokens_per_minute": 9}
        with pytest.raises(ApiError, match="no key of the name"):
            await one.storage.write(
                partial(change, name="anna", asked=asked, providers=("near", "far"))
            )


async def test_no_key_is_in_any_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'data' / 'store.db'}"
    key, shown = fresh("anna")
    async with running(url) as one:
        await one.make(key)

    folder = sqlite_path(url)
    assert folder is not None
    files = [file.read_bytes() for file in folder.parent.iterdir()]
    assert any(key.digest.encode() in data for data in files)
    assert not any(shown.encode() in data or shown[4:20].encode() in data for data in files)


async def test_keys_are_random_and_of_256_bits() -> None:
    shown = {fresh("anna")[1] for _ in range(100)}

    assert len(shown) == 100
    assert all(one.startswith("psk-") and len(one) == 4 + 43 for one in shown)


async def test_revoking_the_last_key_lets_nobody_in_without_one() -> None:
    team = TeamKeys()
    assert not team.door.needed
    key, shown = fresh("anna")

    team.replace([key])
    assert team.door.name_of(shown.encode()) == "anna"
    team.replace([replace(key, revoked_ms=1)])

    assert team.door.needed
    for gone in (shown.encode(), b""):
        with pytest.raises(ApiError) as caught:
            team.door.name_of(gone)
        assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
