"""Opens what is shared with other servers, where the settings name a place for it."""

from __future__ import annotations

from adapters.memory import LruMemory
from proxy.cluster.bus import Bus
from proxy.cluster.news import News
from proxy.cluster.replica import Replica
from proxy.limits.health import Health
from proxy.limits.retired import Retired
from proxy.routing.router import Router
from proxy.settings import Settings
from proxy.store.kept.preferences import Preferences
from proxy.store.keys.allowances import Allowances
from proxy.store.storage import LOOK_S, Storage


def replica_of(
    settings: Settings,
    health: Health,
    retired: Retired,
    router: Router,
    memory: LruMemory,
    preferences: Preferences,
    storage: Storage,
    allowances: Allowances,
) -> Replica | None:
    """This server as one of several, or None where it is alone."""
    url = settings.shared_url.get_secret_value()
    if not url:
        return None
    news = News(health, retired, router.sessions, memory, storage.look)
    replica = Replica(Bus(url, settings.shared_patience_s), health, news, preferences)
    storage.look_s = LOOK_S
    replica.sharing.append(allowances.health)
    router.permits.agree = allowances.together = replica.agree
    allowances.spend = replica.spend
    return replica
