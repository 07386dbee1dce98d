"""Who stands in while nothing is set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.base import ErrorKind
from tests.proxy.doors.serving.kit import HELLO, PATH
from tests.proxy.kit import adapter_class, failure
from tests.proxy.serving import Host, app_over


class Yard:
    """A local provider, one in the cloud, and a last resort."""

    def __init__(self, host: Host, patch: pytest.MonkeyPatch, store: str, **settings: Any) -> None:
        self.local = adapter_class("local", local=True)
        self.cloud = adapter_class("cloud")
        self.inside = adapter_class("inside", last_resort=True)
        if not settings.get("keys"):
            self.cloud.script.unset = "CLOUD_API_KEY is not set"
        app = app_over(patch, self.local, self.cloud, self.inside, database_url=store, **settings)
        self.serving = host.serving(app)
        self.url = f"{host.base_url}{PATH}"

    def ask(self, model: str = "default", *, down: bool = False) -> tuple[int, str]:
        """Status and attempts of a request; `down` tells whether the local one is."""
        if down:
            self.local.script.play([failure(ErrorKind.NETWORK, "local")])
        response = httpx.post(self.url, json=HELLO | {"model": model}, trust_env=False)
        return response.status_code, response.headers.get("x-pointsman-attempts", "")


@pytest.fixture
def yard(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Yard]]:
    opened: list[Yard] = []

    def make(**settings: Any) -> Yard:
        opened.append(Yard(host, monkeypatch, f"sqlite:///{tmp_path}/store.db", **settings))
        opened[-1].serving.__enter__()
        return opened[-1]

    yield make
    for one in opened:
        one.serving.__exit__(None, None, None)


def test_the_last_resort_answers_while_nothing_is_set_up(yard: Callable[..., Yard]) -> None:
    assert yard().ask(down=True) == (200, "local:network,inside:200")


def test_the_last_resort_says_that_it_stands_in(yard: Callable[..., Yard]) -> None:
    made = yard()
    made.local.script.play([failure(ErrorKind.NETWORK, "local")])

    stand_in = httpx.post(made.url, json=HELLO, trust_env=False)
    asked_for = httpx.post(made.url, json=HELLO | {"model": "inside"}, trust_env=False)

    assert stand_in.headers["x-pointsman-warnings"] == "unknown_model=gpt-4o; stand_in=inside"
    assert "x-pointsman-warnings" not in asked_for.headers


def test_the_last_resort_answers_whoever_asks_for_it(yard: Callable[..., Yard]) -> None:
    made = yard(LLM_PROVIDER="local")

    assert made.ask("inside") == (200, "inside:200")
    assert made.ask("inside-model") == (200, "inside:200")


def test_the_last_resort_can_be_the_choice(yard: Callable[..., Yard]) -> None:
    assert yard(LLM_PROVIDER="inside").ask() == (200, "inside:200")


@pytest.mark.parametrize(
    "settings",
    [{"LLM_PROVIDER": "local"}, {"keys": {"cloud": "k"}}],
    ids=["a choice", "a cloud key"],
)
def test_the_last_resort_never_stands_in_for_who_is_merely_down(
    yard: Callable[..., Yard], settings: dict[str, Any]
) -> None:
    made = yard(**settings)
    made.cloud.script.play([failure(ErrorKind.AUTH, "cloud")])

    status, attempts = made.ask(down=True)

    assert status >= 500
    assert "inside" not in attempts


def test_the_last_resort_stands_in_for_a_choice_that_is_not_set_up(
    yard: Callable[..., Yard],
) -> None:
    made = yard(LLM_PROVIDER="cloud")

    assert made.ask(down=True) == (200, "local:network,inside:200")


def test_a_failure_names_the_choice_that_is_not_set_up_and_its_cure_first(
    yard: Callable[..., Yard],
) -> None:
    made = yard(LLM_PROVIDER="cloud")
    made.inside.script.unset = "it is not installed"
    made.local.script.play([failure(ErrorKind.NETWORK, "local")])

    answer = httpx.post(made.url, json=HELLO, trust_env=False)

    assert answer.status_code == 503
    message = answer.json()["error"]["message"]
    assert message.startswith("Cloud is chosen, but not set up: CLOUD_API_KEY is not set. To do: ")
    assert "local: " in message


def test_the_last_resort_steps_back_once_another_has_answered(yard: Callable[..., Yard]) -> None:
    made = yard()
    assert made.ask() == (200, "local:200")

    assert made.ask(down=True) == (503, "local:network")
