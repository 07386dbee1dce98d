"""Several hosts that stand for one, on a running server over two Ollamas."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from proxy.app import create_app
from proxy.providers import providers_of
from proxy.settings import Settings
from tests.fakes import Fault, Gate, OllamaFake
from tests.fakes.server import FakeServer
from tests.proxy.serving import Host

TALKS = 10
TURNS = 4


class House(NamedTuple):
    host: Host
    desk: OllamaFake
    attic: OllamaFake

    def ask(self, *said: str, **fields: Any) -> httpx.Response:
        """A turn of a conversation: what the user and the model have said in turns."""
        roles = ("user", "assistant")
        messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(said)]
        body = {"model": "default", "messages": messages, **fields}
        return httpx.post(f"{self.host.base_url}/v1/chat/completions", json=body, timeout=30)


@contextlib.contextmanager
def house(
    folder: Path,
    *,
    pools: str = "home:desk+attic",
    fallback: str = "desk,attic",
    **more: str,
) -> Iterator[House]:
    with contextlib.ExitStack() as stack:
        desk, attic = OllamaFake().__enter__(), OllamaFake().__enter__()
        for fake in (desk, attic):
            stack.callback(ended, fake)
        environment = {
            "POINTSMAN_PROVIDERS": "desk,attic",
            "DESK_KIND": "ollama",
            "DESK_BASE_URL": desk.url,
            "ATTIC_KIND": "ollama",
            "ATTIC_BASE_URL": attic.url,
            "OLLAMA_BASE_URL": "http://127.0.0.1:9",
            **more,
        }
        settings = Settings(
            providers=providers_of(environment),
            llm_provider="desk",
            fallback=fallback,  # type: ignore[arg-type] # as the environment has it
            pools=pools,  # type: ignore[arg-type] # likewise
            database_url=f"sqlite:///{folder / 'data' / 'x.db'}",
            max_wait_s=5,
        )
        host = stack.enter_context(Host().running())
        with host.serving(create_app(settings)):
            yield House(host, desk, attic)


def ended(fake: OllamaFake) -> None:
    with contextlib.suppress(RuntimeError):  # it has ended already
        fake.__exit__()


def is_asked(fake: FakeServer) -> bool:
    return any(one.path == "/api/chat" for one in fake.requests)


def by(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.headers["x-pointsman-provider"]


def test_conversations_stay_where_they_began_and_outlive_their_host(tmp_path: Path) -> None:
    with house(tmp_path) as at, ThreadPoolExecutor(TALKS) as pool:
        gate = Gate()
        talks = [[f"Talk {i}."] for i in range(TALKS)]
        for fake in (at.desk, at.attic):
            fake.then(*[Fault(hold=gate)] * TALKS)
        firsts = [pool.submit(at.ask, *said) for said in talks]
        for fake in (at.desk, at.attic):
            fake.wait_until(is_asked)
        gate.open()
        homes = [by(one.result()) for one in firsts]
        assert set(homes) == {"desk", "attic"}
        stayed = 0
        for turn in range(TURNS):
            for said in talks:
                said += ["Yes.", f"And {turn}?"]
            found = [by(one) for one in pool.map(lambda said: at.ask(*said), talks)]
            stayed += sum(now == home for now, home in zip(found, homes, strict=True))
        assert stayed >= 0.95 * TALKS * TURNS, Counter(homes)

        ended(at.desk)
        after = [by(one) for one in pool.map(lambda said: at.ask(*said, "Yes.", "Still?"), talks)]
        assert set(after) == {"attic"}


def test_who_is_at_work_is_passed_over_for_who_is_not(tmp_path: Path) -> None:
    with house(tmp_path) as at, ThreadPoolExecutor(1) as pool:
        gate = Gate()
        at.desk.then(Fault(hold=gate))
        first = pool.submit(at.ask, "First.")
        at.desk.wait_until(is_asked)
        second = by(at.ask("Second."))
        gate.open()

        assert (second, by(first.result())) == ("attic", "desk")
        assert by(at.ask("Third.")) == "desk"


def test_what_a_host_cannot_take_goes_to_the_next_marked(tmp_path: Path) -> None:
    alone = {"DESK_MAX_CONCURRENT": "1"}
    with house(tmp_path, pools="", **alone) as at, ThreadPoolExecutor(1) as pool:
        gate = Gate()
        at.desk.then(Fault(hold=gate))
        first = pool.submit(at.ask, "First.")
        at.desk.wait_until(is_asked)
        spilled = at.ask("Second.")
        gate.open()

        assert (by(spilled), by(first.result())) == ("attic", "desk")
        assert spilled.headers["x-pointsman-warnings"] == "spilled=desk"
        assert by(at.ask("Third.")) == "desk"


def test_a_key_that_may_not_ask_a_host_is_not_sent_there_by_its_pool(tmp_path: Path) -> None:
    with house(tmp_path) as at, ThreadPoolExecutor(1) as pool:
        made = {"name": "anna", "providers": ["desk"]}
        key = httpx.post(f"{at.host.base_url}/admin/api/keys", json=made).json()["key"]
        client = httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=30)

        def ask(text: str) -> httpx.Response:
            body = {"model": "default", "messages": [{"role": "user", "content": text}]}
            return client.post(f"{at.host.base_url}/v1/chat/completions", json=body)

        with client:
            gate = Gate()
            at.desk.then(Fault(hold=gate))
            first = pool.submit(ask, "First.")
            at.desk.wait_until(is_asked)
            second = by(ask("Second."))  # while the desk is at work, the attic would be less so
            gate.open()
            assert (second, by(first.result())) == ("desk", "desk")
        assert not is_asked(at.attic)


def _asked_meanwhile(at: House, first: str, second: str) -> tuple[str, str]:
    """Who answers `first`, and who `second` while that is at work at the desk."""
    with ThreadPoolExecutor(1) as pool:
        gate = Gate()
        at.desk.then(Fault(hold=gate))
        asking = pool.submit(at.ask, "First.", model=first)
        at.desk.wait_until(is_asked)
        then = by(at.ask("Second.", model=second))
        gate.open()
        return by(asking.result()), then


def test_a_pool_can_be_named(tmp_path: Path) -> None:
    """Of it whoever has the model answers, the least busy first, and nobody else does."""
    with house(tmp_path, fallback="") as at:
        assert _asked_meanwhile(at, "home/llama3.2", "HOME:llama3.2") == ("desk", "attic")
        assert by(at.ask("Third.", model="home")) == "desk"
        assert at.ask("Fourth.", model="home/").status_code == 404
        for fake in (at.desk, at.attic):
            ended(fake)
        gone = at.ask("Fifth.", model="home/llama3.2")
        assert gone.status_code == 503
        assert gone.headers["x-pointsman-attempts"].count("desk") >= 1
        assert "ollama" not in gone.headers["x-pointsman-attempts"]


def test_the_order_of_rotation_can_set_hosts_side_by_side(tmp_path: Path) -> None:
    for order, shared in (("desk+attic,ollama", "attic"), ("desk,attic,ollama", "desk")):
        with house(tmp_path / order, pools="", fallback=order) as at:
            assert _asked_meanwhile(at, "default", "default") == ("desk", shared)
            explained = httpx.post(
                f"{at.host.base_url}/admin/api/explain",
                json={"model": "default", "messages": [{"role": "user", "content": "x"}]},
            ).json()["plan"]
            pools = [one.get("pool") for one in explained["candidates"]]
            assert pools == (["desk+attic"] * 2 + [None] if "+" in order else [None] * 3)
            assert ("least busy of desk+attic" in explained["why"]) == ("+" in order)
