"""Pictures in a form that the model takes: their type stated truly, other kinds repainted."""

from __future__ import annotations

import asyncio
import binascii
import importlib.util
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from subprocess import SubprocessError

from msgspec import Struct, field

from adapters.base import Adapter, AdapterError, ErrorKind, Json, Phase, Scope
from adapters.child import answer_of
from adapters.contents import contents_of
from adapters.translation.data_uris import plain_base64, unquoted
from proxy.routing.pictures import repaint
from proxy.routing.pictures.kinds import kind_of, sniffed
from proxy.routing.pictures.remote_parts import with_parts

MAX_REPAINTED = 16
"""Of one request: each takes a process a moment's time."""
MAX_PICTURE_BYTES = 20 * 1024 * 1024
MAX_AT_ONCE = 2
MAX_KEPT_BYTES = 16 * 1024 * 1024
HEIF = ("image/heic", "image/heif")
IN_CHILD = partial(answer_of, is_urgent=True)
"""A request waits for it."""
EXTRA = "`uv run --no-dev --extra images pointsman` has them converted"


class Repainted(Struct, frozen=True):
    """A picture as a data URI; `moved` where only the first of its frames is left."""

    url: str
    moved: bool


class Album(Struct):
    """The pictures of one request in other forms, by their addresses; kept from try to try.

    `words` tell what the last provider's were changed in.
    """

    fetched: dict[str, str] = field(default_factory=dict)
    repainted: dict[str, Repainted | None] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


class Painter:
    """Repaints by a library that need not be installed, in a process for each picture.

    The last ones are kept, since a conversation sends its pictures with each turn.
    """

    def __init__(
        self,
        *,
        child: Callable[[str, bytes], bytes] = IN_CHILD,
        has: Callable[[str], object] = importlib.util.find_spec,
    ) -> None:
        self._child = child
        self._has = has
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._kept: OrderedDict[bytes, Repainted] = OrderedDict()

    def can(self, kind: str) -> bool:
        """Whether what this kind needs is installed."""
        needed = ("PIL", "pi_heif") if kind in HEIF else ("PIL",)
        return all(self._has(name) for name in needed)

    async def repainted(self, url: str) -> Repainted | None:
        """The picture of a data URI as PNG or JPEG; None where it cannot be read."""
        data = _bytes(url)
        if not 0 < len(data) <= MAX_PICTURE_BYTES:
            return None
        key = sha256(data).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if made := await self._made(data):
            self._kept[key] = made
            while sum(len(one.url) for one in self._kept.values()) > MAX_KEPT_BYTES:
                self._kept.popitem(last=False)
        return made

    async def _made(self, data: bytes) -> Repainted | None:
        async with self._places:
            try:
                made = await asyncio.to_thread(self._child, repaint.__file__, data)
            except (OSError, SubprocessError):
                return None
        kind, picture = sniffed(made[1:]), made[1:]
        if kind is None:
            return None
        return Repainted(
            f"data:{kind};base64,{b64encode(picture).decode('ascii')}", made[0:1] == b"1"
        )


async def fitted(
    messages: Sequence[Json], adapter: Adapter, model: str, album: Album, painter: Painter
) -> Sequence[Json]:
    """The messages with their pictures as the model takes them; the same where none changes.

    Raises AdapterError for a kind that it is known not to take and that cannot be repainted.
    """
    can = adapter.capabilities(model)
    changed: dict[tuple[int, int], Json] = {}
    for at, place in contents_of(messages).media.get("image_url", ()):
        part = messages[at]["content"][place]
        url = part["image_url"]["url"]
        kind = kind_of(url)
        if kind is None or not kind.startswith("image/"):  # some send a PDF so
            continue
        if can.image_types is None or kind in can.image_types:
            told = _told(url, kind)
        elif made := await _made(url, kind, album, painter):
            told = made.url
            album.words += ["changed=image_url.type"]
            album.words += ["dropped=image_url.frames"] if made.moved else []
        elif can.tries_images:
            told = _told(url, kind)
        else:
            where = f"messages[{at}].content[{place}].image_url"
            raise _refused(adapter, kind, where, is_known=painter.can(kind))
        if told is not url:
            changed[at, place] = {**part, "image_url": {**part["image_url"], "url": told}}
    return with_parts(messages, changed) if changed else messages


async def _made(url: str, kind: str, album: Album, painter: Painter) -> Repainted | None:
    if url not in album.repainted:
        if len(album.repainted) >= MAX_REPAINTED or not painter.can(kind):
            return None
        album.repainted[url] = await painter.repainted(url)
    return album.repainted[url]


def _refused(adapter: Adapter, kind: str, param: str, *, is_known: bool) -> AdapterError:
    name = kind.removeprefix("image/").partition("+")[0].upper()
    cure = "and this one could not be converted" if is_known else EXTRA
    return AdapterError(
        ErrorKind.UNSUPPORTED,
        f"{adapter.title} takes no {name} pictures; {cure}",
        provider=adapter.name,
        scope=Scope.REQUEST,
        phase=Phase.BEFORE_SEND,
        param=param,
    )


def _told(url: str, kind: str) -> str:
    """The data URI with the type that its picture has; the same where it says so already."""
    head = url[:1024].partition(",")[0].partition(";")[0]
    if head[len("data:") :].strip().lower() == kind:
        return url
    return f"data:{kind}{url[len(head) :]}"


def _bytes(url: str) -> bytes:
    """The bytes of a data URI; none where it is not what it says."""
    head, _, data = url.partition(",")
    if not head.lower().endswith("base64"):
        return unquoted(data)
    try:
        return b64decode(plain_base64(data), validate=True)
    except (binascii.Error, ValueError):
        return b""
