"""The models that their providers say are gone, and who is asked in their place. No I/O.

A list of models that lacks the built-in default is enough to pass it over, since nobody has chosen
it. Of a model that somebody has set, its provider must have said that it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from adapters.base import AdapterError, Model
from proxy.limits.successor import is_listed, successor

KEPT_S = 7 * 24 * 3600.0
"""After a week a model is tried again, in case it was gone for another reason than stated."""
MAX_GONE = 64
MAX_WORDS = 300


class Gone(Struct, frozen=True):
    """A model that is gone, and why in `words`; forgotten at `until`, in Unix seconds."""

    provider: str
    model: str
    words: str
    until: float


class _Successors(dict[tuple[str, str], str]):
    """By provider and configured model the one that is asked; looked for once."""

    def __init__(self, find: Callable[[str, str], str]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: tuple[str, str]) -> str:
        self[key] = found = self._find(*key)
        return found


class Retired:
    """`defaults` are the built-in models by provider; `serving` tells who is asked for a model.

    `has_news` is False while none is gone or replaced, so that answers have nothing to tell of it.
    """

    def __init__(self, defaults: Mapping[str, str], *, wall: Callable[[], float]) -> None:
        self._defaults = defaults
        self._wall = wall
        self._lists: dict[str, Sequence[Model]] = {}
        self._gone: dict[tuple[str, str], Gone] = {}
        self._unlisted: set[tuple[str, str]] = set()
        self.serving = _Successors(self._find)
        self.has_news = False

    def listed(self, provider: str, models: Sequence[Model]) -> None:
        """Take over a provider's list; what comes back to it is no longer gone.

        A model that was refused although it was listed all the time is still not to be had.
        """
        self._lists[provider] = models
        names = {model.id for model in models}
        for key in [key for key in self._gone if key[0] == provider]:
            if not is_listed(key[1], names):
                self._unlisted.add(key)
            elif key in self._unlisted:
                self._forget(key)
        self._changed()

    def retire(self, provider: str, model: str, error: AdapterError) -> bool:
        """Note that a model is gone; False where its provider gives no list, so that a wrong
        address, for which everything is missing, costs no model its place."""
        if not self._lists.get(provider):
            return False
        key = provider, model
        self._gone.pop(key, None)
        while len(self._gone) >= MAX_GONE:
            self._forget(next(iter(self._gone)))
        words = error.gist[:MAX_WORDS]
        self._gone[key] = Gone(provider, model, words, self._wall() + KEPT_S)
        if not is_listed(model, {one.id for one in self._lists[provider]}):
            self._unlisted.add(key)
        self._changed()
        return True

    def answered(self, provider: str, model: str) -> None:
        """A model has answered, so it is not gone, whatever was said."""
        if (provider, model) in self._gone:
            self._forget((provider, model))
            self._changed()

    def is_gone(self, provider: str, model: str) -> bool:
        """Whether a model is gone, be there another one in its place or not."""
        return (provider, model) in self._gone or self.serving[provider, model] != model

    def words(self, provider: str, model: str) -> str:
        """Why another model is asked in place of this one."""
        gone = self._gone.get((provider, model))
        return gone.words if gone else f"{model} is not in the provider's list of models"

    def gone(self) -> list[Gone]:
        """All of them, for `restore` after a restart."""
        now = self._wall()
        for key in [key for key, gone in self._gone.items() if gone.until <= now]:
            self._forget(key)
            self._changed()
        return list(self._gone.values())

    def restore(self, gone: Iterable[Gone]) -> None:
        """Take over what an earlier run knew."""
        now = self._wall()
        for one in gone:
            if now < one.until <= now + KEPT_S and len(self._gone) < MAX_GONE:
                self._gone.setdefault((one.provider, one.model), one)
        self._changed()

    def _forget(self, key: tuple[str, str]) -> None:
        self._gone.pop(key, None)
        self._unlisted.discard(key)

    def _changed(self) -> None:
        self.serving.clear()
        self.has_news = bool(self._gone)

    def _find(self, provider: str, model: str) -> str:
        offered = self._lists.get(provider, ())
        default = self._defaults.get(provider, "")
        lacks = bool(offered) and not is_listed(model, {one.id for one in offered})
        if (provider, model) not in self._gone and not (model == default and lacks):
            return model
        left = [one for one in offered if (provider, one.id) not in self._gone]
        found = successor(model, left, default=default)
        if not offered and (provider, default) not in self._gone:
            found = default or None  # until the list is known, after a restart
        if found is None:
            return model
        self.has_news = True
        return found
