"""Who may reach the server, and by which proxies of the network it reaches providers."""

from __future__ import annotations

import os

import pytest

from proxy.settings import SettingsError, bypasses_proxy, load_settings, proxies_of_environment


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_proxies_are_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxies_of_environment() == {}
    monkeypatch.setenv("HTTPS_PROXY", "http://s.example:2")
    assert proxies_of_environment() == {"https": "http://s.example:2"}
    monkeypatch.setenv("http_proxy", "h.example:3")
    assert proxies_of_environment()["http"] == "http://h.example:3"


def test_one_for_all_stands_in_for_those_that_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "http://a.example:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://s.example:2")

    assert proxies_of_environment() == {"http": "http://a.example:1", "https": "http://s.example:2"}


@pytest.mark.parametrize(
    "url", ["socks5://a.example:1", "ftp://a.example", "http://", "http://a:x"]
)
def test_a_proxy_that_cannot_be_spoken_to_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", url)

    with pytest.raises(SettingsError, match=r"^ALL_PROXY: must be an http"):
        load_settings()


def test_this_machine_and_no_proxy_are_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "lan.example")

    assert bypasses_proxy("localhost") and bypasses_proxy("lan.example")
    assert not bypasses_proxy("far.example")


def test_keys_of_clients_have_names() -> None:
    found = load_settings(api_keys="k1, notes:k2 ,, empty:, a:b:c")

    keys = {name: key.get_secret_value() for name, key in found.client_keys.items()}
    assert keys == {"key-1": "k1", "notes": "k2", "a": "b:c"}


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_only_loopback_is_this_machine_alone(host: str, *, is_loopback: bool) -> None:
    assert load_settings(host=host).is_loopback is is_loopback
