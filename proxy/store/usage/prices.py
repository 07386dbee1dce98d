"""What requests cost by their providers' price lists, as `genai-prices` has them; no network.

The lists take half a second and 2 MB, so they are loaded once a request has been made that has a
price, where no row waits for them. Amounts are whole nano-dollars (US).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from proxy.store.usage.price_lists import price_lists

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

    from adapters.base import Adapter

MILLION = 1_000_000
NANO = 1_000_000_000
MAX_MODELS = 256


def dollars(nano_usd: int) -> str:
    """For people: two digits that count below ten cents, else cents."""
    usd = nano_usd / NANO
    return f"${usd:,.2f}" if usd >= 0.1 or not usd else f"${Decimal(f'{usd:.2g}'):f}"


class Tokens(Struct, frozen=True):
    """What a request took; `estimated` where the provider did not say it."""

    prompt: int = 0
    completion: int = 0
    reasoning: int | None = None
    cached: int | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """The list price, None if nobody knows it, and whether the user pays it.

    One that `is_late` is to be known once the lists are there.
    """

    list_nano_usd: int | None = 0
    billed: bool = False
    is_late: bool = False

    @property
    def cost_nano_usd(self) -> int | None:
        """What the user pays: nothing on a free tier or an own machine, None if nobody knows."""
        return self.list_nano_usd if self.billed else 0


class PriceList:
    """The prices of the providers in `billed`, which tells whether the user pays them.

    All others are free. `ids` are the lists' own names of those that are called otherwise here.
    Used from one thread at a time, but for `load` and the sums: `listed` and `charged` are the
    nano-dollars by provider since the start.
    """

    def __init__(
        self, billed: Mapping[str, bool] | None = None, ids: Mapping[str, str] | None = None
    ) -> None:
        self._billed = billed or {}
        self._ids = ids or {}
        self._lists: DataSnapshot | None = None
        self._loading = threading.Lock()
        self._models: dict[tuple[str, str], ModelInfo | None] = {}
        self.listed: Counter[str] = Counter()
        self.charged: Counter[str] = Counter()

    @property
    def is_loaded(self) -> bool:
        return self._lists is not None

    def load(self) -> DataSnapshot:
        """The lists, read by whoever asks first."""
        with self._loading:
            if self._lists is None:
                self._lists = price_lists({self._ids.get(name, name) for name in self._billed})
            return self._lists

    def price(self, provider: str | None, model: str | None, tokens: Tokens, at: float) -> Price:
        """What `tokens` of a model cost at the Unix second `at`; late, where it takes the lists."""
        if provider is None or provider not in self._billed:
            return Price()
        if not tokens.prompt and not tokens.completion:
            return Price(0, self._billed[provider])
        if self._lists is None:
            return Price(None, self._billed[provider], is_late=True)
        found = self._model(provider, model or "")
        prices = found and found.get_prices(datetime.fromtimestamp(at, UTC))
        return Price(_nano_usd(prices, tokens) if prices else None, self._billed[provider])

    def count(self, prices: Sequence[tuple[str | None, Price]]) -> None:
        for provider, price in prices:
            if provider is not None and provider in self._billed:
                self.listed[provider] += price.list_nano_usd or 0
                self.charged[provider] += price.cost_nano_usd or 0

    def _model(self, provider: str, model: str) -> ModelInfo | None:
        if (provider, model) not in self._models:
            if len(self._models) >= MAX_MODELS:
                self._models.clear()
            self._models[provider, model] = self._look_up(provider, model)
        return self._models[provider, model]

    def _look_up(self, provider: str, model: str) -> ModelInfo | None:
        listed = self._ids.get(provider, provider)
        try:
            return self.load().find_provider_model(model, None, listed, None)[1]
        except LookupError:
            return None


def price_list_of(adapters: Mapping[str, Adapter]) -> PriceList:
    """The prices of all providers that are not the user's own machine."""
    clouds = {name: one.settings for name, one in adapters.items() if not one.local}
    return PriceList(
        {name: one.billed for name, one in clouds.items()},
        {name: one.price_list for name, one in clouds.items() if one.price_list},
    )


def _nano_usd(prices: ModelPrice, tokens: Tokens) -> int | None:
    """What `prices.calc_price` says of text, in a twentieth of its time; None if it has no price.

    The tests hold the two together.
    """
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    usd = _times(prices.output_mtok, tokens.completion, tokens.prompt)
    cached = min(tokens.cached or 0, tokens.prompt)
    if cached:
        of_cached = prices.input_mtok if prices.cache_read_mtok is None else prices.cache_read_mtok
        usd += _times(of_cached, cached, tokens.prompt)
    usd += _times(prices.input_mtok, tokens.prompt - cached, tokens.prompt)
    return round(usd * (NANO // MILLION))


def _times(price: Decimal | TieredPrices, count: int, prompt: int) -> Decimal:
    """A price a million tokens, `count` times; how long the prompt is may decide on its tier."""
    if isinstance(price, Decimal):
        return price * count
    from genai_prices.types import calc_unit_price

    return calc_unit_price(price, count, prompt, 1)
