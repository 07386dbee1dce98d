"""What is told of the server and of its models, as Ollama's own client reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ollama
import pytest

from adapters.base import Capabilities, Json, Model
from proxy.doors.door import Call
from proxy.doors.models.catalog import Catalog
from proxy.doors.models.offered import Offered
from proxy.doors.ollama import local
from proxy.doors.ollama.real import Real
from tests.proxy.doors.serving.kit import LONG_S, Build, Station

LISTED = [
    Model("llama-3.3-70b-versatile", created=1_733_000_000, context=131_072),
    Model("qwen3:8b"),
    Model("text-embed", chat=False),
]


@pytest.fixture
def station(build: Build) -> Station:
    made = build()
    made.north.listed = LISTED
    made.south.listed = [Model("qwen3:8b"), Model("phi:latest")]
    made.north.abilities = Capabilities(tools=True, images=False, thinking=False, audio=False)
    return made


@pytest.fixture
def client(station: Station) -> Iterator[ollama.Client]:
    with ollama.Client(station.host.base_url, trust_env=False, timeout=LONG_S) as made:
        yield made


def test_somebody_is_there(station: Station) -> None:
    for method in ("GET", "HEAD"):
        answer = station.client.request(method, "/")
        assert (answer.status_code, answer.headers["content-type"][:10]) == (200, "text/plain")
        assert answer.text == ("Ollama is running" if method == "GET" else "")
        version = station.client.request(method, "/api/version")
        assert version.status_code == 200
    assert tuple(map(int, version.headers["x-pointsman"])) == (1,)
    told = station.client.get("/api/version").json()["version"]
    assert tuple(map(int, told.split("."))) >= (0, 6, 4)  # what editors ask for at the least


def test_a_browser_is_shown_to_the_page(station: Station) -> None:
    answer = station.client.get("/", headers={"accept": "text/html,*/*"})

    assert (answer.status_code, answer.headers["location"]) == (307, "/admin")


def test_models_are_listed_by_the_names_that_lead_to_them(
    client: ollama.Client, station: Station
) -> None:
    names = [one.model or "" for one in client.list().models]

    assert names == [
        *("default", "llama-3.3-70b-versatile", "qwen3:8b", "south/qwen3:8b", "phi:latest"),
    ]
    for name in names:
        assert client.chat(name, [{"role": "user", "content": "Hi"}]).model == name
    asked = [request.model for request in station.north.requests]
    assert asked == ["north-model", "llama-3.3-70b-versatile", "qwen3:8b"]
    assert [request.model for request in station.south.requests] == ["qwen3:8b", "phi"]


def test_rows_have_all_that_apps_read(station: Station) -> None:
    rows = station.client.get("/api/tags").json()["models"]

    assert len({row["digest"] for row in rows}) == len(rows)
    for row in rows:
        assert row["name"] == row["model"] and type(row["size"]) is int
        assert row["modified_at"].endswith("Z") and row["capabilities"]
        details = row["details"]
        assert isinstance(details["families"], list) and None not in details.values()
    [llama] = [row for row in rows if row["name"].startswith("llama")]
    assert llama["details"]["parameter_size"] == "70B" and llama["details"]["family"] == "llama"
    assert llama["capabilities"] == ["completion", "tools"]
    assert llama["modified_at"].startswith("2024-11-30")


def test_every_model_that_is_listed_can_be_shown(client: ollama.Client) -> None:
    for one in client.list().models:
        shown: Any = client.show(one.model or "")
        architecture = shown.modelinfo["general.architecture"]
        assert shown.modelinfo[f"{architecture}.context_length"] > 0
        assert "completion" in shown.capabilities and shown.details.family
    assert shown.modelinfo["general.basename"]
    shown = client.show("llama-3.3-70b-versatile:latest")
    assert shown.modelinfo["llama.context_length"] == 131_072
    assert shown.modelinfo["general.parameter_count"] == 70_000_000_000


def test_a_model_is_shown_by_any_of_its_names(station: Station) -> None:
    for body in ({"model": "phi"}, {"name": "phi:latest"}, {"model": "south/phi", "verbose": True}):
        assert station.client.post("/api/show", json=body).status_code == 200


def test_what_nobody_has_is_not_found(client: ollama.Client) -> None:
    for name in ("nothing", "../etc"):
        with pytest.raises(ollama.ResponseError) as caught:
            client.show(name)
        assert (caught.value.status_code, caught.value.error) == (404, f"model '{name}' not found")


def test_nothing_is_loaded_where_there_is_no_real_server(client: ollama.Client) -> None:
    assert client.ps().models == []


@pytest.mark.anyio
async def test_what_is_loaded_is_told_as_far_as_an_app_may_ask_it() -> None:
    class Loaded(Real):
        async def ask(self, method: str, path: str, body: Json | None = None) -> Json:
            return {"models": [{"model": "a:1b", "size": 1}, {"name": "b:1b"}, "c"]}

    may = Offered(Catalog({}), permits=lambda app: lambda _, model: app in ("", model))
    running = local.Running(local.Models(may, {}, Loaded({}, None)))
    for app, names in (("", ["a:1b", "b:1b"]), ("b:1b", ["b:1b"]), ("anna", [])):
        told = json.loads((await running.answer(Call(app=app))).body)["models"]
        assert [one.get("model") or one["name"] for one in told] == names


def test_what_is_here_needs_not_be_pulled(client: ollama.Client, station: Station) -> None:
    assert client.pull("phi").status == "success"
    assert [one.status for one in client.pull("qwen3:8b", stream=True)] == ["success"]
    with pytest.raises(ollama.ResponseError) as caught:
        client.pull("nothing")
    assert caught.value.status_code == 403
    assert "POINTSMAN_OLLAMA_PASSTHROUGH" in caught.value.error


def test_nothing_changes_this_machine(station: Station) -> None:
    for method, path in [
        *(("POST", f"/api/{what}") for what in ("push", "create", "copy", "signout")),
        ("DELETE", "/api/delete"),
        ("DELETE", "/api/user/keys/c3NoLWVk"),
        ("POST", "/api/blobs/sha256:0"),
    ]:
        answer = station.client.request(method, path, json={"model": "m"})
        assert (answer.status_code, list(answer.json())) == (403, ["error"]), path
    assert json.loads(answer.text)["error"].startswith("this server does not")
    assert station.client.head("/api/blobs/sha256:0").status_code == 403


def test_what_is_nowhere_is_told_in_plain_words(station: Station) -> None:
    for path in ("/api/me", "/api/status", "/api/experimental/web_search", "/api/novel"):
        answer = station.client.get(path)
        assert (answer.status_code, answer.text) == (404, "404 page not found")
    assert station.client.post("/v1/systemone", json={}).text == "404 page not found"
    assert station.client.delete("/api/user/keys").text == "404 page not found"
    assert station.client.get("/api/chat").text == "404 page not found"
