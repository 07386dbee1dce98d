"""What is told of the models that there are: in OpenAI's words, or the form that is asked for."""

from __future__ import annotations

import anthropic.types
import pytest
from openai.types import Model as OpenAIModel

from adapters.base import Model
from tests.proxy.doors.models.kit import BOTH, Station

pytestmark = pytest.mark.anyio

AS_ANTHROPIC = {"anthropic-version": "2023-06-01"}
NAMES = [
    "default",
    "fast",
    "smart",
    "north/gemma",
    "north/qwen",
    "south/gemma",
    "south/openai/gpt-oss:20b",
]


async def test_what_a_client_may_name_is_listed_once_with_the_owners_names_first(
    station: Station,
) -> None:
    vectors = Model("vectors", chat=False, embeds=True)
    station.lists("north", [*BOTH, Model("hears", chat=False), vectors])
    async with station.client() as client:
        answer = (await client.get("/v1/models")).json()
        assert (await client.get("/v1/models/")).json() == answer

    assert answer["object"] == "list"
    names = [entry["id"] for entry in answer["data"]]
    assert "north/vectors" in names
    assert [name for name in names if name != "north/vectors"] == NAMES
    for entry in answer["data"]:
        OpenAIModel.model_validate(entry)


@pytest.mark.parametrize("name", ["hears", "north/hears"])
async def test_what_cannot_chat_is_no_model_here(station: Station, name: str) -> None:
    station.lists("north", [*BOTH, Model("hears", chat=False)])
    async with station.client() as client:
        answer = await client.get(f"/v1/models/{name}")

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("south/openai/gpt-oss:20b", "O"),
        ("openai/gpt-oss:20b", "O"),
        ("gemma", "G"),
        ("north%2Fgemma", "G"),
        ("smart", "pointsman"),
        ("default", "pointsman"),
    ],
)
async def test_one_model_is_found_by_either_name(station: Station, name: str, owner: str) -> None:
    async with station.client() as client:
        answer = await client.get(f"/v1/models/{name}")

    assert answer.status_code == 200
    assert answer.json()["owned_by"] == owner


@pytest.mark.parametrize("name", ["tiny", "south/tiny"])
async def test_a_model_is_found_without_the_tag_that_goes_without_saying(
    station: Station, name: str
) -> None:
    station.lists("south", [Model("tiny:latest", owned_by="T")])
    async with station.client() as client:
        answer = await client.get(f"/v1/models/{name}")

    assert (answer.json()["id"], answer.json()["owned_by"]) == (name, "T")


@pytest.mark.parametrize("name", ["absent", "north/absent", "a//b", "x%23y", "%2e%2e/x"])
async def test_a_model_that_nobody_lists_is_404(station: Station, name: str) -> None:
    async with station.client() as client:
        answer = await client.get(f"/v1/models/{name}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


# As Anthropic's clients read it


async def test_a_client_of_anthropics_gets_the_same_list_in_its_form(station: Station) -> None:
    async with station.client() as client:
        told = await client.get("/v1/models", params={"limit": 1000}, headers=AS_ANTHROPIC)

    answer = told.json()
    assert [entry["id"] for entry in answer["data"]] == NAMES
    assert (answer["first_id"], answer["last_id"]) == (NAMES[0], NAMES[-1])
    assert answer["has_more"] is False
    for entry in answer["data"]:
        read = anthropic.types.ModelInfo.model_validate(entry)
        assert read.type == "model" and read.created_at is not None
    assert answer["data"][3]["max_input_tokens"] == 8192


async def test_its_pages_join_to_the_whole_list_in_either_direction(station: Station) -> None:
    for word, end, newest_first in (("after_id", "last_id", 1), ("before_id", "first_id", -1)):
        found: list[str] = []
        query: dict[str, str | int] = {"limit": 3}
        if newest_first < 0:
            query[word], found = NAMES[-1], [NAMES[-1]]
        async with station.client() as client:
            while True:
                told = await client.get("/v1/models", params=query, headers=AS_ANTHROPIC)
                page = [entry["id"] for entry in told.json()["data"]]
                found = [*found, *page] if newest_first > 0 else [*page, *found]
                query[word] = told.json()[end]
                if not told.json()["has_more"]:
                    break
        assert found == NAMES


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "1001"}, {"limit": "²"}, {"after_id": "absent"}]
)
async def test_a_page_that_cannot_be_is_refused_in_its_words(
    station: Station, query: dict[str, str]
) -> None:
    async with station.client() as client:
        told = await client.get("/v1/models", params=query, headers=AS_ANTHROPIC)

    assert told.status_code == 400
    assert told.json()["type"] == "error"
    assert told.json()["error"]["type"] == "invalid_request_error"


async def test_one_model_is_told_in_its_form_too(station: Station) -> None:
    async with station.client() as client:
        told = await client.get("/v1/models/north/gemma", headers=AS_ANTHROPIC)
        absent = await client.get("/v1/models/absent", headers=AS_ANTHROPIC)

    assert told.json()["id"] == "north/gemma"
    assert told.json()["created_at"] == "1970-01-01T00:00:05Z"
    assert absent.status_code == 404
    for answer in (told, absent):
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert absent.json()["request_id"] == absent.headers["request-id"]
    assert absent.json()["error"]["type"] == "not_found_error"


async def test_a_time_that_is_none_is_the_epoch(station: Station) -> None:
    station.lists("north", [Model("early", created=-5), Model("late", created=10**15)])
    async with station.client() as client:
        told = await client.get("/v1/models", headers=AS_ANTHROPIC)

    times = {entry["id"]: entry["created_at"] for entry in told.json()["data"]}
    assert times["north/early"] == times["north/late"] == "1970-01-01T00:00:00Z"
