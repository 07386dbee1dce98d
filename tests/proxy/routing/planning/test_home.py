"""What stays at home: never asked of a cloud, by whatever way one would come to be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.base import Capabilities, ErrorKind, ProviderSettings
from adapters.ollama.adapter import OllamaAdapter
from proxy.routing.planning.home import is_at_home, permitted_to
from proxy.routing.planning.narrow import Allowed
from proxy.routing.planning.preference import Preference
from tests.proxy.kit import adapter, adapter_class, failure
from tests.proxy.routing.kit import NETWORK, SERVER, Station

pytestmark = pytest.mark.anyio

NAMES = {"fast": {"cloud": "small", "home": "tiny"}, "far": {"cloud": "small"}}


def _station(**preference: Any) -> Station:
    made = Station({"cloud": adapter("cloud"), "home": adapter("home", local=True)})
    made.preference = Preference("cloud", chosen=True, aliases=NAMES, local_only=True)
    made.preference = replace(made.preference, **preference)
    return made


@pytest.mark.parametrize("model", ["default", "gpt-4o", "fast", "far", "home", "home/other"])
async def test_only_who_is_at_home_is_asked(model: str) -> None:
    station = _station()
    await station.ask(model)
    assert station.calls() == [0, 1]
    assert station.receipt.provider == "home"
    assert {one.provider for one in station.receipt.considered} == {"home"}


async def test_an_order_without_those_at_home_does_not_leave_nobody() -> None:
    station = _station(fallback=("cloud",))
    await station.ask()
    assert station.calls() == [0, 1]


@pytest.mark.parametrize("kind", [SERVER, NETWORK, ErrorKind.RATE_LIMIT, ErrorKind.CONTEXT])
async def test_a_failure_goes_nowhere_else(kind: ErrorKind) -> None:
    station = _station()
    station.play("home", *[[failure(kind, "home")]] * 4)
    await station.refused()
    assert station.calls()[0] == 0


@pytest.mark.parametrize("model", ["cloud", "cloud/big", "CLOUD:big"])
async def test_a_cloud_that_is_named_is_refused(model: str) -> None:
    station = _station()
    error = await station.refused(model)
    assert (error.status, error.code) == (403, "local_only")
    assert station.calls() == [0, 0]


async def test_with_nobody_at_home_there_is_no_answer() -> None:
    station = Station({"cloud": adapter("cloud")})
    station.preference = Preference("cloud", chosen=True, local_only=True)
    error = await station.refused()
    assert (error.status, error.code) == (503, "local_only")
    assert station.calls() == [0]


@pytest.mark.parametrize(
    ("url", "is_home"),
    [
        (None, True),
        ("http://127.0.0.1:11434", True),
        ("http://[::1]:11434", True),
        ("http://192.168.1.7:11434", True),
        ("http://[fd00::7]:11434", True),
        ("http://attic:11434", True),
        ("http://attic.local:11434", True),
        ("http://host.docker.internal:11434", True),
        ("https://ollama.com:443", False),
        ("http://8.8.8.8", False),
        ("http://[2001:4860:4860::8888]", False),
        ("http://local.example.com", False),
    ],
)
def test_an_address_elsewhere_is_not_home(url: str | None, is_home: bool) -> None:
    made = adapter_class("home", local=True)(ProviderSettings(model="m", base_url=url))
    assert is_at_home(made, "m") is is_home


def test_a_cloud_is_not_home_wherever_it_listens_nor_is_what_is_handed_on() -> None:
    cloud = adapter_class("cloud")(ProviderSettings(base_url="http://127.0.0.1:1"))
    assert not is_at_home(cloud, "m")
    home = adapter_class("home", local=True)(ProviderSettings())
    home.script.abilities = Capabilities(hands_on=True)
    assert not is_at_home(home, "m")


def test_ollama_s_cloud_models_are_handed_on() -> None:
    ollama = OllamaAdapter(OllamaAdapter.Settings(), None, None)  # type: ignore[arg-type]
    for model, hands_on in (("gpt-oss:120b-cloud", True), ("x:cloud", True), ("llama3.2", False)):
        assert ollama.capabilities(model).hands_on is hands_on


def test_who_may_ask_what_is_told_for_lists_of_models_as_well() -> None:
    both = {"cloud": adapter("cloud"), "home": adapter("home", local=True)}
    everything = {("cloud", "m"), ("home", "m"), ("home", "n")}

    def permitted(**more: Any) -> set[tuple[str, str]]:
        permits = permitted_to(replace(Preference("cloud", chosen=True), **more), both)
        return {one for one in everything if permits(*one)}

    assert permitted() == everything
    assert permitted(local_only=True) == {("home", "m"), ("home", "n")}
    assert permitted(allowed=Allowed(("m",))) == {("cloud", "m"), ("home", "m")}
    assert permitted(local_only=True, allowed=Allowed(("m",))) == {("home", "m")}
