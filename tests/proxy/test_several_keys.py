"""Several keys of one provider on a running server: each is a place of its own."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.app import create_app
from proxy.command.terminal import status_text
from proxy.providers import providers_of
from proxy.settings import Settings
from tests.fakes import (
    BEDROCK_KEY,
    GEMINI_KEY,
    GROQ_KEY,
    OPENAI_KEY,
    BedrockFake,
    GeminiFake,
    GroqFake,
    OpenAIFake,
)
from tests.fakes.server import Answer, FakeServer, Request, json_answer
from tests.proxy.serving import Host

DEAD, SPENT, GOOD = "gsk_the-dead-key-0dead", "gsk_the-spent-key-spent", "gsk_the-good-key-0good"
NO_KEY = {"error": {"message": "Invalid API Key", "code": "invalid_api_key"}}
NO_KEY_OF_GOOGLE = {
    "error": {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        ],
    }
}
A_DAY = {
    "error": {
        "message": "Rate limit reached: requests per day (RPD)",
        "code": "rate_limit_exceeded",
    }
}
SPENT_DAY = json_answer(A_DAY, 429, headers=(("retry-after", "3600"),))
A_DAY_OF_GOOGLE = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
            }
        ],
    }
}
BROKEN = json_answer({"error": {"message": "broken"}}, 500)


class Keyed(FakeServer):
    """Has several keys: what each is answered, None for as usual."""

    own_key = ""
    answers: Mapping[str, Answer | None] = {}
    lists: Mapping[str, Answer] = {}

    def respond(self, request: Request) -> Answer:
        headers = request.headers
        name = "x-goog-api-key" if "x-goog-api-key" in headers else "authorization"
        key = headers.get(name, "").removeprefix("Bearer ")
        if request.method == "GET" and key in self.lists:
            return self.lists[key]
        answer = self.answers.get(key)
        if answer and (request.method == "POST" or key == DEAD):
            return answer
        if key in self.answers:
            headers[name] = headers[name].replace(key, self.own_key)
        return super().respond(request)

    def asked(self, *methods: str) -> Counter[str]:
        """How often the model was asked, or all that `methods` are, by key."""
        keys = (
            one.headers.get("x-goog-api-key", one.headers.get("authorization", ""))
            for one in self.requests
            if one.method in (methods or ("POST",))
        )
        return Counter(key.replace(self.own_key, GOOD).removeprefix("Bearer ") for key in keys)


class KeyedGroq(Keyed, GroqFake):
    own_key = GROQ_KEY


class KeyedGemini(Keyed, GeminiFake):
    own_key = GEMINI_KEY


class KeyedOpenAI(Keyed, OpenAIFake):
    own_key = OPENAI_KEY


class KeyedBedrock(Keyed, BedrockFake):
    own_key = BEDROCK_KEY


def of_aws(name: str, message: str, status: int) -> Answer:
    return json_answer({"message": message}, status, headers=(("x-amzn-errortype", name),))


KINDS: Mapping[str, tuple[type[Keyed], Answer, Answer, Mapping[str, str]]] = {
    "groq": (KeyedGroq, json_answer(NO_KEY, 401), SPENT_DAY, {}),
    "gemini": (
        KeyedGemini,
        json_answer(NO_KEY_OF_GOOGLE, 400),
        json_answer(A_DAY_OF_GOOGLE, 429),
        {},
    ),
    "work": (
        KeyedOpenAI,
        json_answer(NO_KEY, 401),
        SPENT_DAY,
        {"POINTSMAN_PROVIDERS": "work", "WORK_KIND": "openai", "WORK_MODEL": "toy-1"},
    ),
    "openrouter": (
        KeyedOpenAI,
        json_answer(NO_KEY, 401),
        SPENT_DAY,
        {"OPENROUTER_MODEL": "toy-1"},
    ),
    "bedrock": (
        KeyedBedrock,
        of_aws("AccessDeniedException", "Authentication failed: check that the key is valid.", 403),
        of_aws("ThrottlingException", "Too many tokens per day, please wait.", 429),
        {"AWS_REGION": "eu-central-1"},
    ),
}


@contextlib.contextmanager
def house(name: str, folder: Path, **more: str) -> Iterator[tuple[Host, Keyed]]:
    """A server whose provider `name` has the keys DEAD, SPENT and GOOD."""
    fake_class, dead, spent, others = KINDS[name]
    with contextlib.ExitStack() as stack:
        fake = stack.enter_context(fake_class())
        fake.answers = {DEAD: dead, SPENT: spent, GOOD: None}
        environment = {
            f"{name}_API_KEY".upper(): f"{DEAD}, {SPENT},{GOOD}",
            f"{name}_BASE_URL".upper(): fake.url,
            "BEDROCK_CONTROL_URL": fake.url,
            "OLLAMA_BASE_URL": "http://127.0.0.1:9",
            **others,
            **more,
        }
        settings = Settings(
            providers=providers_of(environment),
            llm_provider=name,
            fallback=(name,),
            database_url=f"sqlite:///{folder / 'data' / 'x.db'}",
            max_wait_s=0,
        )
        host = stack.enter_context(Host().running())
        with host.serving(create_app(settings)):
            yield host, fake


def ask(host: Host, **fields: Any) -> httpx.Response:
    body = {"model": "default", "messages": [{"role": "user", "content": "Hello."}], **fields}
    return httpx.post(f"{host.base_url}/v1/chat/completions", json=body, timeout=30)


def attempts(answer: httpx.Response) -> str:
    return answer.headers["x-pointsman-attempts"]


@pytest.mark.parametrize("name", KINDS)
def test_of_three_keys_one_is_dead_and_one_spent_and_no_client_knows(
    name: str, tmp_path: Path
) -> None:
    with house(name, tmp_path) as (host, fake):
        first = ask(host)
        others = [ask(host, stream=i % 2 == 0) for i in range(6)]

        assert [one.status_code for one in (first, *others)] == [200] * 7
        refusal = fake.answers[DEAD]
        assert refusal is not None
        assert attempts(first) == f"{name}#1:{refusal.status},{name}#2:429,{name}#3:200"
        assert {attempts(one) for one in others} == {f"{name}#3:200"}
        assert fake.asked() == {DEAD: 1, SPENT: 1, GOOD: 7}
        assert any(one.startswith(f"{name}/") for one in list_models(host))
        assert fake.asked("GET", "POST")[DEAD] == 1


def list_models(host: Host) -> list[str]:
    rows = httpx.get(f"{host.base_url}/v1/models", timeout=30).json()["data"]
    return [row["id"] for row in rows]


def test_a_key_that_a_list_was_refused_is_not_asked_for_an_answer(tmp_path: Path) -> None:
    with house("groq", tmp_path) as (host, fake):
        list_models(host)
        facts = [httpx.get(f"{host.base_url}/admin/api/status").json() for _ in range(2)]
        found = [ask(host) for _ in range(2)]

        assert {one.status_code for one in found} == {200}
        assert fake.asked("GET", "POST")[DEAD] == 1
    [groq] = [one for one in facts[1]["providers"] if one["id"] == "groq"]
    assert groq["keys"][0]["pause"]["reason"] == "auth"


def test_a_key_that_may_not_list_may_be_answered(tmp_path: Path) -> None:
    with house("work", tmp_path) as (host, fake):
        fake.answers = {DEAD: None, SPENT: None, GOOD: None}
        fake.lists = {DEAD: json_answer({"error": {"message": "Missing scopes: models"}}, 403)}
        listed = list_models(host)
        found = ask(host)

    assert any(one.startswith("work/") for one in listed)
    assert attempts(found) == "work#1:200"


def test_a_refused_key_is_asked_again_where_its_owner_asks(tmp_path: Path) -> None:
    with house("work", tmp_path) as (host, fake):
        ask(host)
        tried = httpx.post(f"{host.base_url}/admin/api/test", json={"provider": "work"}).json()

        assert "…dead" in tried["detail"] and tried["ok"]
        assert fake.asked("GET", "POST")[DEAD] == 2


def test_each_key_has_windows_of_its_own(tmp_path: Path) -> None:
    limited = {"WORK_RATE_LIMIT_REQUESTS_PER_MINUTE": "2"}
    with house("work", tmp_path, **limited) as (host, fake):
        fake.answers = {DEAD: None, SPENT: None, GOOD: None}
        found = [attempts(ask(host)) for _ in range(6)]
        last = ask(host)

    assert found == [f"work#{key}:200" for key in (1, 1, 2, 2, 3, 3)]
    assert last.status_code == 429


def test_keys_of_one_account_share_its_limits_but_not_its_refusals(tmp_path: Path) -> None:
    shared = {"WORK_KEYS_SHARE_LIMITS": "true", "WORK_RATE_LIMIT_REQUESTS_PER_MINUTE": "3"}
    with house("work", tmp_path, **shared) as (host, fake):
        fake.answers = {DEAD: fake.answers[DEAD], SPENT: None, GOOD: None}
        found = [ask(host) for _ in range(3)]

    assert [one.status_code for one in found] == [200, 200, 429]
    assert [attempts(one) for one in found[:2]] == ["work#1:401,work#2:200", "work#2:200"]


@pytest.mark.parametrize("name", ["groq", "gemini", "work"])
def test_a_day_that_one_key_has_spent_is_over_for_all_of_its_account(
    tmp_path: Path, name: str
) -> None:
    with house(name, tmp_path, **{f"{name}_KEYS_SHARE_LIMITS".upper(): "true"}) as (host, fake):
        fake.answers = {DEAD: fake.answers[SPENT], SPENT: None, GOOD: None}
        found = [ask(host).status_code for _ in range(3)]

    assert found == [429, 429, 429]
    assert fake.asked() == Counter({DEAD: 1})


def test_keys_take_turns_only_where_that_is_asked(tmp_path: Path) -> None:
    with house("work", tmp_path, WORK_KEYS="spread") as (host, fake):
        fake.answers = {DEAD: None, SPENT: None, GOOD: None}
        found = [attempts(ask(host)) for _ in range(6)]

    assert found == [f"work#{key}:200" for key in (1, 2, 3, 1, 2, 3)]


def test_what_is_no_fault_of_the_key_is_not_tried_by_the_next(tmp_path: Path) -> None:
    with house("work", tmp_path) as (host, fake):
        fake.answers = {DEAD: BROKEN, SPENT: BROKEN, GOOD: BROKEN}
        failed = [ask(host) for _ in range(2)]

        assert {one.status_code for one in failed} == {503}
        assert set(fake.asked()) == {DEAD}


def test_no_key_stands_in_what_a_server_tells(tmp_path: Path) -> None:
    with house("work", tmp_path) as (host, fake):
        told = json_answer({"error": {"message": f"no: {SPENT}, {GOOD}"}}, 400)
        fake.answers = {DEAD: fake.answers[DEAD], SPENT: told, GOOD: told}
        answer = ask(host)
        facts = httpx.get(f"{host.base_url}/admin/api/status").text

    assert answer.status_code == 400
    for text in (answer.text, facts):
        assert not any(key in text for key in (DEAD, SPENT, GOOD))


def test_each_key_is_told_of_by_its_end(tmp_path: Path) -> None:
    limited = {"WORK_RATE_LIMIT_REQUESTS_PER_MINUTE": "9"}
    with house("work", tmp_path, **limited) as (host, _):
        ask(host)
        facts = httpx.get(f"{host.base_url}/admin/api/status").json()
        metrics = httpx.get(f"{host.base_url}/metrics").text
    [work] = [one for one in facts["providers"] if one["id"] == "work"]
    samples = [line for line in metrics.splitlines() if line[:1] not in ("#", "")]

    assert [(key["name"], key["windows"][0]["used"]) for key in work["keys"]] == [
        *(("…dead", 1), ("…pent", 1), ("…good", 1)),
    ]
    assert [key["pause"] and key["pause"]["reason"] for key in work["keys"]] == [
        *("auth", "quota day", None),
    ]
    assert work["pause"] is None and work["windows"][0]["used"] == 1
    assert facts["powered_by"]["instead_of"] is None
    assert (
        'pointsman_window_used{key="3",provider="work",window="requests a minute"} 1.0' in samples
    )
    assert 'pointsman_provider_state{provider="work",state="ready"} 1.0' in samples
    assert len({line.rpartition(" ")[0] for line in samples}) == len(samples)
    text = status_text(facts | {"running": True, "url": "http://x"}, datetime.now(UTC))
    assert "work key …dead: key refused" in text and "work key …good: ready, 1/9" in text
