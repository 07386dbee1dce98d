"""Opens the doors: where each of them is, and what stands behind all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute, Route

from adapters.base import Adapter
from adapters.upstream import Upstream
from adapters.wire.aside import Aside
from proxy.background import Background
from proxy.clocks import Clocks
from proxy.doors import DOORS, Entrance, counting, keeping, listing, ollama
from proxy.doors.models.catalog import Catalog
from proxy.doors.models.offered import Offered
from proxy.doors.ollama.passing import passage_routes
from proxy.doors.ollama.real import Real
from proxy.doors.responses.disk import LONGEST_S, Disk
from proxy.doors.responses.in_memory import MAX_BYTES, Turns
from proxy.doors.serving.endpoint import Service
from proxy.gate.room import Admission
from proxy.routing.cache import MIB, AnswerCache, InMemory, Shelf, salt_of
from proxy.routing.compact import Asks
from proxy.routing.counting import Count
from proxy.routing.planning.home import permitted_to
from proxy.routing.planning.preference import Preference
from proxy.settings import Settings
from proxy.store.kept.answers import OnDisk
from proxy.store.kept.preferences import Preferences
from proxy.store.keys.allowances import Allowances
from proxy.store.keys.team_keys import TeamKeys
from proxy.store.storage import Storage
from proxy.store.usage.rows import UsageRow


class Doors:
    """All entrances, and beside them the `passages` by which requests go on as they came."""

    def __init__(
        self,
        settings: Settings,
        adapters: Mapping[str, Adapter],
        catalog: Catalog,
        preferences: Preferences,
        upstream: Upstream,
        turns: Turns,
        team: TeamKeys,
        count: Count,
    ) -> None:
        def aliases() -> Mapping[str, Any]:
            return preferences.get(None).aliases

        def permits(app: str) -> Callable[[str, str], bool]:
            return permitted_to(preferences.get(app or None), adapters)

        offered = Offered(catalog, aliases, permits)
        real, passes = Real(adapters, upstream.client), settings.ollama_passthrough
        self.entrances: Sequence[Entrance] = (
            *DOORS,
            *counting(count),
            *keeping(turns, count),
            *listing(offered),
            *ollama(offered, adapters, real, passes=passes),
        )
        self.passages: Sequence[Route] = (
            passage_routes(real, upstream, team.is_member) if passes else ()
        )


def turns_of(
    settings: Settings, storage: Storage, background: Background, clocks: Clocks
) -> tuple[Turns, Sequence[Turns | Disk]]:
    """What responses are kept in, and wherever some may be."""
    is_on_disk = settings.responses_store == "disk"
    if is_on_disk:
        turns = Turns(clocks.clock, now=clocks.wall, longest_s=LONGEST_S)
    else:
        most = MAX_BYTES if settings.responses_store == "memory" else 0
        turns = Turns(clocks.clock, now=clocks.wall, most=most)
    disk = Disk(
        turns,
        storage,
        background,
        most=settings.responses_disk_mb * MIB,
        shares=bool(settings.shared_url.get_secret_value()),
        sleep=clocks.sleep,
    )
    if not is_on_disk:
        return turns, [disk, turns]
    turns.keeper = disk
    return turns, [disk]


def cache_of(
    settings: Settings, storage: Storage, background: Background, clocks: Clocks
) -> tuple[AnswerCache | None, Sequence[Shelf]]:
    """The cache, if it is on, and wherever answers may be kept."""
    room, ttl_s = settings.cache_mb * MIB, settings.cache_ttl_s
    on_disk = OnDisk(storage, background, room, ttl_s, clocks.wall)
    if settings.cache == "off":
        return None, [on_disk]
    if settings.cache == "disk":
        return AnswerCache(on_disk, salt_of(settings)), [on_disk]
    in_memory = InMemory(room, ttl_s, clocks.clock)
    return AnswerCache(in_memory, salt_of(settings)), [on_disk, in_memory]


def service_of(
    settings: Settings,
    router: Asks,
    storage: Storage,
    admission: Admission,
    *,
    cache: AnswerCache | None,
    seen: Callable[[str | None], None],
    ended: Sequence[Callable[[UsageRow], None]],
    allowances: Allowances | None = None,
    thread: Aside,
) -> Service:
    """What answers at every door; tells which app was `seen`, and the row of what has `ended`."""

    async def preference(app: str | None) -> Preference:
        seen(app)
        return await storage.preference(app)

    def record(row: UsageRow) -> None:
        for listener in ended:
            listener(row)

    return Service(
        router,
        preference,
        deadline_s=settings.deadline_s,
        keepalive_s=settings.keepalive_s,
        cache=cache,
        split_tags=settings.think_tags == "split",
        record=record,
        admission=admission,
        allowances=allowances,
        aside=thread,
    )


def patterns_of(routes: Iterable[BaseRoute]) -> list[re.Pattern[str]]:
    """What the paths of routes look like."""
    return [route.path_regex for route in routes if isinstance(route, Route)]
