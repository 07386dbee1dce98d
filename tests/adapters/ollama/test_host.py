"""OLLAMA_HOST and the other settings that only Ollama has."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from adapters.ollama.adapter import OllamaSettings
from adapters.ollama.host import base_url

HOSTS = {
    None: "http://127.0.0.1:11434",
    "": "http://127.0.0.1:11434",
    ":8080": "http://127.0.0.1:8080",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:8080": "http://127.0.0.1:8080",
    "http://0.0.0.0": "http://127.0.0.1:80",
    "[::]:8080": "http://[::1]:8080",
    "::": "http://[::1]:11434",
    "::1": "http://[::1]:11434",
    "[::1]": "http://[::1]:11434",
    "[fe80::2]:99": "http://[fe80::2]:99",
    "https://[fe80::2]/a": "https://[fe80::2]:443/a",
    "box": "http://box:11434",
    "box/": "http://box:11434",
    "box:99/": "http://box:99",
    "box/a/b/": "http://box:11434/a/b",
    "http://box": "http://box:80",
    "https://box": "https://box:443",
    "https://box:99/a": "https://box:99/a",
    "box:": "http://box:11434",
    "box:70000": "http://box:11434",
    "box:many": "http://box:11434",
    "https://box:many": "https://box:443",
    ' "box:99" ': "http://box:99",
    "'box'": "http://box:11434",
    "ollama.com": "https://ollama.com:443",
}


@pytest.mark.parametrize(("value", "url"), HOSTS.items(), ids=map(str, HOSTS))
def test_the_host_is_read_as_ollama_reads_it(value: str | None, url: str) -> None:
    assert base_url(value) == url


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9](\.[a-z]{2,5})?", fullmatch=True).filter(
    lambda name: name != "ollama.com" and "--" not in name
)


@given(
    scheme=st.sampled_from(["", "http://", "https://"]),
    host=NAMES | st.ip_addresses(v=4).filter(lambda ip: not ip.is_unspecified).map(str),
    port=st.none() | st.integers(0, 65535),
    path=st.sampled_from(["", "/", "/a", "/a/b/"]),
    around=st.sampled_from(["", " ", '"', "'"]),
)
def test_scheme_host_port_and_path_are_kept(
    scheme: str, host: str, port: int | None, path: str, around: str
) -> None:
    tail = "" if port is None else f":{port}"
    default = {"": 11434, "http://": 80, "https://": 443}[scheme]
    url = base_url(f"{around}{scheme}{host}{tail}{path}{around}")
    expected = f"{scheme or 'http://'}{host}:{default if port is None else port}{path}"
    assert url == expected.rstrip("/")


@given(st.text(max_size=30))
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    try:
        url = base_url(text)
    except ValueError:
        return
    assert httpx.URL(url).scheme in ("http", "https")
    assert httpx.URL(url).host


@pytest.mark.parametrize("value", ["ftp://box", "http://b ox", "box\r\nx", "a:b@c:9", "box?x=1"])
def test_what_is_no_server_is_a_bad_setting(value: str) -> None:
    with pytest.raises(ValidationError, match="host"):
        OllamaSettings(host=value)


@pytest.mark.parametrize("behind", ["/v1", "/v1/", "/api", "/api/"])
def test_what_the_client_adds_by_itself_is_taken_off(behind: str) -> None:
    assert base_url(f"box:1{behind}") == "http://box:1"
    assert base_url(f"https://box/ollama{behind}") == "https://box:443/ollama"


def test_the_base_url_stands_over_the_host() -> None:
    settings = OllamaSettings(host="box", base_url="https://proxy.example/ollama/")
    assert settings.url == "https://proxy.example:443/ollama"


def test_the_defaults_are_those_of_a_local_server() -> None:
    settings = OllamaSettings()
    assert (settings.model, settings.timeout) == ("llama3.2", 120)
    assert settings.rate_limit_enabled is False
    assert settings.url == "http://127.0.0.1:11434"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("5m", "5m"), ("1h30m", "1h30m"), ("-1", -1), ("300", 300), (0, 0), (None, None)],
)
def test_how_long_a_model_stays_is_a_duration(
    given: str | int | None, kept: str | int | None
) -> None:
    assert OllamaSettings(keep_alive=given).keep_alive == kept


@pytest.mark.parametrize("value", ["soon", "5 minutes", "", "m5"])
def test_what_is_no_duration_is_a_bad_setting(value: str) -> None:
    with pytest.raises(ValidationError, match="duration"):
        OllamaSettings(keep_alive=value)
