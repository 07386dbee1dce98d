"""Four processes, one Valkey and one PostgreSQL, all of them real: what they hold to together."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import valkey as library

from proxy.cluster.bus import REPLICAS
from proxy.store.kept import preferences
from tests.admin.kit import PREFERENCES
from tests.proxy.cluster.kit import Server, wait
from tests.proxy.cluster.test_workers import children
from tests.proxy.store.kit import opened
from tests.proxy.store.postgres_kit import Cluster
from tests.security.kit import (
    GOOD,
    Fakes,
    ask,
    body_of,
    connect,
    post,
    process,
    read_reply,
    request,
)

COUNT = 4
KEYS = "/admin/api/keys"
LIMIT = 30
CHOICE = b'{"default_llm_provider": "groq", "models": {"groq": "llama-3.3-70b-versatile"}}'


def answers(port: int, count: int, asked: bytes = GOOD) -> Counter[int]:
    """The statuses of so many calls at the same moment, each on a connection of its own."""
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(port)) for _ in range(count)]
        for sock in socks:
            sock.sendall(asked)
        return Counter(read_reply(sock).status for sock in socks)


def test_they_hold_to_one_limit_and_what_was_acknowledged_outlives_them(
    fakes: Fakes, tmp_path: Path, valkey: Server, cluster: Cluster
) -> None:
    url = cluster.url(cluster.new_database())
    more = sharing(
        valkey,
        POINTSMAN_DATABASE_URL=url,
        POINTSMAN_RATE_PRESET="provider",
        GROQ_RATE_LIMIT_REQUESTS_PER_MINUTE=str(LIMIT),
    )
    with process(fakes, tmp_path, **more) as one, library.Valkey.from_url(valkey.url) as told:
        wait(lambda: told.zcard(REPLICAS) == COUNT)
        assert answers(one.port, 2 * LIMIT) == {200: LIMIT, 429: LIMIT}
        assert fakes.chats == LIMIT
        headers = {"Content-Type": "application/json"}
        change = request("PUT", PREFERENCES, CHOICE, headers=headers)
        assert ask(one.port, change).status == 200
        pids = children(one)
        wait(lambda: rows_in(url) == 2 * LIMIT)
        for pid in (one.popen.pid, *pids):
            os.kill(pid, signal.SIGKILL)
        with opened(url) as database:
            [row] = database.read(preferences.stored)
            assert row.models == {"groq": "llama-3.3-70b-versatile"}


def test_what_a_made_key_may_it_may_of_all_of_them_together(
    fakes: Fakes, tmp_path: Path, valkey: Server
) -> None:
    owner = {"Authorization": "Bearer the-owners-token", "Content-Type": "application/json"}
    more = sharing(
        valkey,
        POINTSMAN_ADMIN_TOKEN=owner["Authorization"].split()[1],
        POINTSMAN_API_KEYS="other:not-this-one",
    )
    with process(fakes, tmp_path, **more) as one, library.Valkey.from_url(valkey.url) as told:
        wait(lambda: told.zcard(REPLICAS) == COUNT)
        asked = b'{"name": "anna", "requests_per_minute": 10, "dollars_a_day": 5}'
        made = ask(one.port, request("POST", KEYS, asked, headers=owner))
        assert made.status == 200, made.body
        shown = {"Authorization": f"Bearer {made.json['key']}"}
        models = request("GET", "/v1/models", headers=shown)
        wait(lambda: answers(one.port, 40, models) == {200: 40})  # so many that each is asked
        assert answers(one.port, 40, post(body_of(), **shown)) == {200: 10, 429: 30}
        assert fakes.chats == 10


def sharing(server: Server, **more: str) -> dict[str, str]:
    """Settings of several processes that wait for a Valkey which has its turn late, too."""
    return {
        "POINTSMAN_WORKERS": str(COUNT),
        "POINTSMAN_SHARED_URL": server.url,
        "POINTSMAN_SHARED_PATIENCE_S": "20",
        "POINTSMAN_FALLBACK": "groq",
        **more,
    }


def rows_in(url: str) -> int:
    with opened(url) as database:
        [[count]] = database.rows("SELECT COUNT(*) FROM requests WHERE 1 = :x", {"x": 1})
        return int(str(count))
