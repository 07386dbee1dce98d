"""Everything but the HTTP side, made from the ground up."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.base import Adapter
from adapters.memory import LruMemory
from adapters.wire.aside import Aside
from admin.auth import Gate, admin_token
from proxy.background import Background
from proxy.candidate import Candidate
from proxy.clocks import Clocks
from proxy.cluster.open import replica_of
from proxy.console.kept import Kept
from proxy.console.presets import Presets, health_of
from proxy.console.watch import watch_of
from proxy.doors.models.catalog import Catalog
from proxy.doors.open import Doors, cache_of, service_of, turns_of
from proxy.gate.keys import Keys
from proxy.gate.life import Life
from proxy.gate.room import Admission
from proxy.limits.retired import Retired
from proxy.proof import Identity
from proxy.redact import Redactor
from proxy.routing.compact import Compacting
from proxy.routing.counting import Counting
from proxy.routing.loading import Loading
from proxy.routing.open import keys_of, routing_of
from proxy.routing.planning.any_key import AnyKey
from proxy.routing.planning.preference import Preference, built_in_models
from proxy.settings import Settings
from proxy.store.kept.preferences import preferences_of
from proxy.store.kept.setbacks import Setbacks
from proxy.store.keys.allowances import Allowances
from proxy.store.keys.team_keys import TeamKeys
from proxy.store.storage import Storage
from proxy.store.usage.prices import price_list_of
from proxy.telemetry.alerts import alerts_of
from proxy.telemetry.open import Monitors
from proxy.upstream.client import upstream_of


class Parts:
    """All that there is. None of them knows of this list."""

    def __init__(self, settings: Settings, clocks: Clocks) -> None:
        memory, redactor = LruMemory(), Redactor(settings.secrets())
        self.settings, self.upstream = settings, upstream_of(settings)
        self.keys = keys_of(settings, self.upstream, memory)
        self.adapters: Mapping[str, Adapter] = self.keys.adapters
        self.background, self.life, self.admission = Background(), Life(), Admission()
        self.preferences = preferences_of(settings, self.adapters)
        self.presets = Presets(settings, self.adapters, self.preferences)
        self.health = health_of(settings, self.presets, self.keys, clocks)
        self.retired = Retired(built_in_models(self.adapters), wall=clocks.wall)
        self.any_key = AnyKey(self.keys, self.health, redactor.masked)
        self.aside = Aside()
        self.catalog = Catalog(
            self.adapters,
            tell=self.retired.listed,
            ask=self.any_key.models,
            mask=redactor,
            thread=self.aside,
        )
        self.loading = Loading(self.adapters, self.background, clocks.wall)
        self.operations, self.chooser, self.pools, self.router = routing_of(
            settings,
            self.keys,
            self.catalog,
            self.health,
            self.retired,
            self.loading,
            redactor,
            clocks,
        )
        self._keep(memory, clocks)
        self._open(redactor, clocks)

    def _keep(self, memory: LruMemory, clocks: Clocks) -> None:
        """What outlives the process, and what goes to other servers."""
        settings = self.settings
        self.setbacks = Setbacks(self.health, self.retired, self.keys)
        self.team = TeamKeys(Keys(settings.client_keys))
        self.team.listen(lambda: self.preferences.allow(self.team.allowed()))
        self.storage = Storage(
            settings.store_url,
            self.preferences,
            memory,
            self.setbacks,
            price_list_of(self.adapters),
            self.background,
            self.team,
        )
        self.allowances = Allowances(
            self.team,
            self.storage.usage,
            lambda request: sum(self.operations[type(request)].tokens(request)),
            self.background,
            clocks,
        )
        self.replica = replica_of(
            settings,
            self.health,
            self.retired,
            self.router,
            memory,
            self.preferences,
            self.storage,
            self.allowances,
        )

    def _open(self, redactor: Redactor, clocks: Clocks) -> None:
        """What clients meet, the owner, and monitors."""
        settings, upstream = self.settings, self.upstream
        self.monitors = Monitors(settings, self.adapters.values(), clocks.wall)
        self.watch = watch_of(self, redactor, clocks.wall, self.any_key.reached)
        self.kept = Kept(redactor, wall=clocks.wall)
        self.alerts = alerts_of(settings, self.storage, self.health, upstream.client, clocks.wall)
        self.cache, self.shelves = cache_of(settings, self.storage, self.background, clocks)
        self.service = service_of(
            settings,
            Compacting(self.router, self.catalog.windows) if settings.compact else self.router,
            self.storage,
            self.admission,
            cache=self.cache,
            seen=self.monitors.recorder.seen,
            ended=(self.storage.usage.put, *self.monitors.listeners()),
            allowances=self.allowances,
            thread=self.aside,
        )
        self.turns, self.archives = turns_of(settings, self.storage, self.background, clocks)
        count = Counting(self.any_key, self.chooser, self.storage.preference)
        self.doors = Doors(
            settings,
            self.adapters,
            self.catalog,
            self.preferences,
            upstream,
            self.turns,
            self.team,
            count,
        )
        self.admin_token = admin_token(settings.admin_token, is_published=settings.is_guarded)
        is_set = self.admin_token is settings.admin_token
        self.gate = Gate(
            self.admin_token,
            passport=None if is_set else Identity().passport,
            keys=self.team,
            shared=self.replica.sessions if self.replica else None,
            clock=clocks.clock,
            wall=clocks.wall,
            sleep=clocks.sleep,
        )

    def try_again(self, provider: str) -> None:
        """Ask `provider` what it has refused before: its owner says that this has been seen to."""
        self.health.try_again(provider)
        self.chooser.cannot.forget(provider)

    def chosen(self, provider: str, preference: Preference) -> None:
        """Get ready for what is about to be asked of `provider`."""
        self.try_again(provider)
        self.router.sessions.forget()
        self.loading.warm(Candidate(provider, self.chooser.model_of(provider, preference)))
