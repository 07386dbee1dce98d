"""The proxy's own keys and its admin token: what counts as one, and how they are compared."""

from __future__ import annotations

import hmac
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.base import PLACEHOLDER_KEYS
from proxy.gate import keys as gate_keys
from proxy.gate.keys import digest
from proxy.settings import SettingsError, load_settings
from tests.security.kit import Fakes, Wait, ask, body_of, post, request, serving, settings_for

TOKEN = "admin-tökén"
STATUS = "/admin/api/status"


def test_two_keys_of_one_name_are_refused_rather_than_one_of_them_dropped() -> None:
    with pytest.raises(SettingsError, match=r"POINTSMAN_API_KEYS.*same name") as caught:
        load_settings(api_keys="notes:old-secret, notes :new-secret")
    assert "secret" not in str(caught.value)


def test_spaces_around_a_name_and_its_key_belong_to_neither() -> None:
    keys = load_settings(api_keys=" notes : k1 ,: k2,k3 ").client_keys
    assert {name: key.get_secret_value() for name, key in keys.items()} == {
        "notes": "k1",
        "key-2": "k2",
        "key-3": "k3",
    }


@pytest.mark.parametrize("word", sorted(PLACEHOLDER_KEYS | {"YOUR_API_KEY_HERE", " "}))
def test_what_an_example_says_is_no_key_and_no_token(word: str) -> None:
    found = load_settings(api_keys=f"{word},notes:{word}", admin_token=word)
    assert found.client_keys == {}
    assert found.admin_token.get_secret_value() == ""


@pytest.mark.parametrize("header", ["Authorization: Bearer ", "x-api-key: "])
def test_a_key_outside_of_ascii_is_the_bytes_it_is_made_of(
    fakes: Fakes, tmp_path: Path, header: str
) -> None:
    hello = post(body_of())
    with serving(settings_for(fakes, tmp_path, api_keys="clé-ключ")) as server:
        for shown, status in (("clé-ключ", 200), ("clé-ключi", 401), ("clé", 401)):
            line = b"\r\n" + header.encode() + shown.encode() + b"\r\n"
            assert ask(server.port, hello.replace(b"\r\n", line, 1)).status == status
        assert ask(server.port, post(body_of(), Authorization="Bearer clé")).status == 401


@pytest.mark.parametrize("shown", ["", "first", "second", "third", "none of them", "secon"])
def test_every_key_is_compared_in_constant_time_whichever_fits(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def noting(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    # The gate's own: servers of other tests may still end their work in this process.
    monkeypatch.setattr(gate_keys, "hmac", SimpleNamespace(compare_digest=noting))
    keys = "a:first,b:second,c:third"
    with serving(settings_for(fakes, tmp_path, api_keys=keys)) as server:
        reply = ask(server.port, post({}, Authorization=f"Bearer {shown}"))
    assert reply.status == (400 if shown in ("first", "second", "third") else 401)
    of_this = [pair for pair in compared if digest(shown.encode()) in pair]
    assert len(of_this) == 3
    assert {(type(one), len(one)) for pair in of_this for one in pair} == {(bytes, 32)}


def test_the_admin_token_is_the_bytes_it_is_made_of(fakes: Fakes, tmp_path: Path) -> None:
    with serving(settings_for(fakes, tmp_path, admin_token=TOKEN)) as server:
        shown = b"\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n"
        bare = request("GET", STATUS)
        assert ask(server.port, bare.replace(b"\r\n", shown, 1)).status == 200
        assert ask(server.port, bare).status == 401
        login = ask(server.port, post({"token": TOKEN}, "/admin/api/login"))
        cookie = login.headers["set-cookie"].partition(";")[0]
        assert ask(server.port, request("GET", STATUS, headers={"Cookie": cookie})).status == 200


@pytest.mark.parametrize("host", ["localhost", "my.example"])
def test_a_name_that_leads_here_from_elsewhere_makes_the_admin_page_ask_for_a_token(
    fakes: Fakes, tmp_path: Path, capsys: pytest.CaptureFixture[str], wait: Wait, host: str
) -> None:
    said: list[str] = []

    def is_told() -> bool:
        said.append(capsys.readouterr().out)  # it comes a moment after the start
        return "for good): " in "".join(said)

    settings = settings_for(fakes, tmp_path, allowed_hosts=("my.example",), api_keys="a-key")
    with serving(settings) as server:
        for data in (
            request("GET", STATUS, host=host),
            post(body_of(), "/admin/api/chat").replace(b"127.0.0.1", host.encode(), 1),
        ):
            assert ask(server.port, data).status == 401
        wait(is_told)
        token = "".join(said).partition("for good): ")[2].strip()
        headers = {"Authorization": f"Bearer {token}"}
        assert ask(server.port, request("GET", STATUS, host=host, headers=headers)).status == 200
    assert fakes.chats == 0


def test_who_has_shown_no_token_cannot_fill_the_memory(fakes: Fakes, tmp_path: Path) -> None:
    with serving(settings_for(fakes, tmp_path, admin_token=TOKEN)) as server:
        reply = ask(server.port, post({"token": "x" * 5000}, "/admin/api/login"))
    assert reply.status == 413
