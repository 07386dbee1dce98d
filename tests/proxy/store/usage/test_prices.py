"""What requests cost: by the price lists as they are shipped, to the last nano-dollar."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage as ListedUsage, calc_price
from genai_prices.data_snapshot import get_snapshot

from adapters import REGISTRY, STANDING
from adapters.base import Finish, Start, Text, Usage
from proxy.candidate import Candidate
from proxy.store.usage import prices
from proxy.store.usage.price_lists import price_lists
from proxy.store.usage.prices import Price, PriceList, Tokens
from tests.admin.kit import Desk, desk
from tests.proxy.kit import adapter_class
from tests.proxy.store.kit import opened, running
from tests.proxy.store.usage.test_rows import answered, row, rows_of
from tests.proxy.telemetry.test_metrics import scraped

pytestmark = pytest.mark.anyio

AT = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
MODEL = "llama-3.3-70b-versatile"
CLOUDS = [name for name in STANDING if not REGISTRY[name].local]
USES = [
    Tokens(1000, 100),
    Tokens(999_999, 1, cached=123_456),
    Tokens(200_000, 7, reasoning=5),
    Tokens(200_001, 7),
    Tokens(0, 3),
]


def listed(provider: str, model: str, tokens: Tokens) -> int:
    """What `genai-prices` itself reckons."""
    usage = ListedUsage(
        input_tokens=tokens.prompt,
        output_tokens=tokens.completion,
        cache_read_tokens=tokens.cached or 0,
    )
    at = datetime.fromtimestamp(AT, UTC)
    told = calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
    return round(told.total_price * 10**9)


def loaded(billed: dict[str, bool]) -> PriceList:
    prices = PriceList(billed)
    prices.load()
    return prices


@pytest.mark.parametrize("provider", CLOUDS)
def test_every_listed_model_costs_what_the_list_says(provider: str) -> None:
    prices = loaded({provider: False})
    known = get_snapshot().find_provider(None, provider, None).models
    priced = 0

    for model in known:
        for tokens in USES:
            found = prices.price(provider, model.id, tokens, AT).list_nano_usd
            if found is not None:
                priced += 1
                assert found == listed(provider, model.id, tokens), (model.id, tokens)

    assert priced > len(USES) * 10


@pytest.mark.parametrize("provider", CLOUDS)
def test_the_default_model_of_each_provider_has_a_price(provider: str) -> None:
    model = REGISTRY[provider].Settings().model

    assert loaded({provider: False}).price(provider, model, Tokens(1000), AT).list_nano_usd


def test_a_free_tier_costs_nothing_beside_the_list_price() -> None:
    price = loaded({"groq": False}).price("groq", MODEL, Tokens(1000, 100), AT)

    assert (price.cost_nano_usd, price.list_nano_usd) == (0, 590_000 + 79_000)


def test_a_billed_provider_costs_the_list_price() -> None:
    price = loaded({"groq": True}).price("groq", MODEL, Tokens(1000, 100), AT)

    assert price.cost_nano_usd == price.list_nano_usd == 669_000


@pytest.mark.parametrize("billed", [False, True])
def test_what_an_unknown_model_costs_is_unknown(billed: bool) -> None:
    price = loaded({"groq": billed}).price("groq", "of-tomorrow", Tokens(10, 1), AT)

    assert price.list_nano_usd is None
    assert price.cost_nano_usd == (None if billed else 0)


def test_a_model_that_is_not_sold_by_the_token_has_no_price() -> None:
    price = loaded({"groq": True}).price("groq", "whisper-large-v3", Tokens(10, 1), AT)

    assert price == Price(None, billed=True)


def test_the_users_own_machine_costs_nothing() -> None:
    assert PriceList({"groq": True}).price("ollama", "llama3.2", Tokens(10, 1), AT) == Price(0)


def test_a_server_loads_the_lists_of_its_own_providers_alone() -> None:
    code = f"""
import sys
from proxy.store.usage.prices import PriceList, Tokens
prices = PriceList(dict.fromkeys({CLOUDS} + ["of-tomorrow"], False))
prices.load()
for provider, model in {[(name, REGISTRY[name].Settings().model) for name in CLOUDS]}:
    print(prices.price(provider, model, Tokens(1000, 100), {AT}).list_nano_usd)
print(prices.price("of-tomorrow", "m", Tokens(1000, 100), {AT}).list_nano_usd)
print("genai_prices.data" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    defaults = [listed(name, REGISTRY[name].Settings().model, Tokens(1000, 100)) for name in CLOUDS]

    assert found.stdout.split() == [*map(str, defaults), "None", "False"]


def test_without_tokens_nothing_is_looked_up() -> None:
    code = """
import sys
from proxy.store.usage.prices import PriceList, Tokens
prices = PriceList({"groq": True})
prices.price("ollama", "x", Tokens(9, 9), 0.0)
prices.price("groq", "x", Tokens(), 0.0)
prices.price(None, None, Tokens(), 0.0)
print("genai_prices" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "False"


# Over the running application


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    """A server over a paid provider, whose model is one that is listed."""
    groq = adapter_class("groq")
    answer = [[Start(model=MODEL), Text("Hi"), Finish("stop"), Usage(1000, 100, cached=0)]]
    groq.script.play(answer, answer)
    async with desk(monkeypatch, tmp_path, groq) as opened:
        yield opened


async def asked(owner: Desk, folder: Path) -> dict[str, Any]:
    """The row of a request that was asked now."""
    owner.parts.storage.usage.prices.load()
    await owner.ask()
    await owner.parts.storage.flush()
    return rows_of(owner, folder)[-1]


async def test_a_row_holds_the_list_price(owner: Desk, tmp_path: Path) -> None:
    kept = await asked(owner, tmp_path)

    assert (kept["list_nano_usd"], kept["billed"]) == (669_000, 0)


async def test_no_row_waits_for_the_lists(
    owner: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, may_load = owner.parts.storage, threading.Event()

    def late(providers: Collection[str]) -> Any:
        assert may_load.wait(20)
        return price_lists(providers)

    monkeypatch.setattr(prices, "price_lists", late)
    try:
        await owner.ask()
        await storage.flush()
        assert rows_of(owner, tmp_path)[-1]["list_nano_usd"] is None
        await storage.flush()  # they are still being read
    finally:
        may_load.set()
    await storage.usage.listed()
    assert storage.usage.prices.listed == {}
    await storage.usage.price_late()

    assert rows_of(owner, tmp_path)[-1]["list_nano_usd"] == 669_000
    assert storage.usage.prices.listed == {"groq": 669_000}


async def test_who_is_told_to_end_writes_the_price_of_every_row(url: str) -> None:
    async with running(url) as kept:
        kept.storage.usage.prices = PriceList({"groq": True})
        told = answered(Candidate("groq", MODEL), usage=Usage(1000, 100))
        kept.storage.usage.put(row(told, at=AT))
        kept.storage.usage.listed()
        await kept.storage._background.close()  # as a server does before
    with opened(url) as database:
        assert database.rows("SELECT list_nano_usd FROM requests", {}) == [(669_000,)]


async def test_costs_are_told_over_http(owner: Desk, tmp_path: Path) -> None:
    owner.parts.storage.usage.prices = PriceList({"groq": True})
    for _ in range(2):
        await asked(owner, tmp_path)
    await owner.ask()  # of a model that is in no list
    await owner.parts.storage.flush()

    told = await owner.get("/admin/api/usage", params={"range": "24h"})
    rows = await owner.get("/admin/api/requests.json")

    [group] = told["groups"]
    assert (group["cost_nano_usd"], group["list_nano_usd"]) == (1_338_000, 1_338_000)
    assert (group["unpriced"], told["total"]["unpriced"]) == (1, 1)
    assert [one["cost_nano_usd"] for one in rows] == [None, 669_000, 669_000]
    assert all(one["billed"] for one in rows)


async def test_costs_are_told_to_prometheus(owner: Desk, tmp_path: Path) -> None:
    await asked(owner, tmp_path)

    found = await scraped(owner)

    assert found["list_price_usd_total", ("groq",)] == pytest.approx(0.000669)
    assert found["cost_usd_total", ("groq",)] == 0
