"""Which variables point an app at this server, by the protocol that it speaks. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class App(Struct, frozen=True):
    """`bases` are the variables of the address, each with what follows it; `key` is that of a key.

    `unused` is the key where none is needed, `note` what else is to be known.
    """

    bases: Mapping[str, str]
    key: str | None = None
    unused: str = "unused"
    note: str | None = None

    def variables(self, url: str, *, needs_key: bool) -> dict[str, str]:
        """What is to be set so that apps find the server at `url`."""
        found = {name: url + rest for name, rest in self.bases.items()}
        if self.key is not None and not needs_key:
            found[self.key] = self.unused
        return found


OPENAI = App({"OPENAI_BASE_URL": "/v1"}, "OPENAI_API_KEY")
ANTHROPIC = App({"ANTHROPIC_BASE_URL": ""}, "ANTHROPIC_AUTH_TOKEN")
