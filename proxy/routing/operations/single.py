"""What operations of a single call have in common, be it of sounds, pictures or vectors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Generic, TypeVar

from adapters.base import Adapter, Capabilities
from proxy.routing.answers.first import until_kind
from proxy.routing.pictures.conversion import Album
from proxy.routing.pictures.fetching import ImageFetcher

R = TypeVar("R")


class Single(Generic[R]):
    """An `Operation`, except for who can do it and how; `begins` is what commits its answer."""

    name: str
    pin: Any = None
    begins: type

    def needs(self, request: R) -> Mapping[str, str]:
        """An adapter that cannot do it with what is asked says so before it sends anything."""
        return {}

    def tokens(self, request: R) -> tuple[int, int]:
        """Nobody knows: what is limited are the seconds of speech, say."""
        return 0, 0

    def may_take_more(self, request: R) -> bool:
        return False

    def calls(self, request: R, can: Capabilities) -> int:
        return 1

    async def prepared(self, request: R, adapter: Adapter, images: ImageFetcher, album: Album) -> R:
        return request

    async def first(
        self, events: AsyncGenerator[list[Any], None], provider: str
    ) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
        return await until_kind(self.begins, events, provider)
