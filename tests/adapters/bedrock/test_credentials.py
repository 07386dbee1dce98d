"""Who asks: found where AWS's tools find it, off the loop, once at a time, renewed in time."""

from __future__ import annotations

import asyncio
import datetime
import sys
import threading
from pathlib import Path
from typing import Any

import botocore.exceptions
import httpx
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.session import Session

from adapters.base import AdapterError, ErrorKind, Model, Phase
from adapters.bedrock import credentials
from adapters.bedrock.adapter import BedrockAdapter
from adapters.bedrock.credentials import Credentials, adapter_error
from adapters.bedrock.settings import BedrockSettings
from proxy.providers import providers_of
from proxy.settings import Settings
from tests.adapters.bedrock.kit import NOVA, BedrockKit, adapter, settings
from tests.adapters.kit import (
    ANSWERS,
    API_KEY,
    DictMemory,
    FakeUpstream,
    Reply,
    a_request,
    collect,
    json_reply,
)

pytestmark = pytest.mark.anyio

KIT = BedrockKit()
GOOD = json_reply(KIT.whole(ANSWERS["plain text"]))
CONFIG = """
[default]
region = eu-north-1
[profile work]
region = ap-south-1
aws_access_key_id = AKIDOFWORK
aws_secret_access_key = secret-of-work
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No file or service of this machine has a say."""
    config = tmp_path / "config"
    config.write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def own(**given: Any) -> BedrockSettings:
    return BedrockSettings.model_validate(given)


async def asked_of(**given: Any) -> httpx.Request:
    """What a request with these settings looks like."""
    fake = FakeUpstream(GOOD)
    await collect(BedrockAdapter(own(**given), fake.upstream, DictMemory()), a_request(KIT))
    return fake.requests[0]


# Where it is found


async def test_the_environment_is_read_by_the_sdk_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-env")
    request = await asked_of()
    assert "Credential=AKIDOFENV/" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "token-of-env"
    assert request.url.host == "bedrock-runtime.eu-north-1.amazonaws.com"


async def test_a_profile_that_is_named_has_its_keys_and_its_region() -> None:
    request = await asked_of(aws_profile="work")
    assert "Credential=AKIDOFWORK/" in request.headers["authorization"]
    assert "/ap-south-1/bedrock/" in request.headers["authorization"]
    assert request.url.host == "bedrock-runtime.ap-south-1.amazonaws.com"


async def test_a_region_that_is_set_stands_over_the_profiles() -> None:
    request = await asked_of(aws_profile="work", region="eu-central-1")
    assert request.url.host == "bedrock-runtime.eu-central-1.amazonaws.com"


async def test_keys_of_its_own_stand_over_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFENV")
    request = await asked_of(access_key_id="AKIDOWN", secret_access_key="x")
    assert "Credential=AKIDOWN/" in request.headers["authorization"]


async def test_with_an_api_key_nothing_of_the_sdk_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)  # as where the extra is not installed
    request = await asked_of(api_key="k-1", region="us-gov-west-1")
    assert request.headers["authorization"] == "Bearer k-1"
    assert "x-amz-date" not in request.headers


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "there are no AWS credentials"),
        ({"aws_profile": "gone"}, "ProfileNotFound"),
        ({"api_key": "k-1"}, "BEDROCK_REGION is not set"),
        ({"access_key_id": "\u201cquoted\u201d", "secret_access_key": "x"}, "no header can"),
    ],
)
async def test_what_is_missing_is_told_before_anything_is_sent(given: Any, text: str) -> None:
    with pytest.raises(AdapterError, match=text) as caught:
        await asked_of(**given)
    assert (caught.value.kind, caught.value.phase) == (ErrorKind.AUTH, Phase.BEFORE_SEND)


# What is set


def test_awss_variables_count_where_nothing_of_ones_own_is_set() -> None:
    lent = {
        "POINTSMAN_PROVIDERS": "bedrock,work",
        "WORK_KIND": "bedrock",
        "AWS_REGION": "eu-west-1",
    }
    pair = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "shh"}
    found: Any = providers_of(lent | pair | {"WORK_AWS_PROFILE": "w"})
    assert (found["bedrock"].access_key_id, found["work"].access_key_id) == ("AKID", "")
    assert (found["bedrock"].region, found["work"].region) == ("eu-west-1", "eu-west-1")
    both: Any = providers_of(lent | pair | {"AWS_BEARER_TOKEN_BEDROCK": "k-1"})
    assert both["bedrock"].api_key.get_secret_value() == "k-1"
    assert both["bedrock"].access_key_id == ""
    assert {"shh"} <= set(Settings(providers=dict(found)).secrets())


def test_it_is_paid_for_so_that_nobody_comes_to_it_unasked() -> None:
    named: Any = providers_of({"BEDROCK_API_KEY": "k-1"})
    assert (named["bedrock"].billed, named["bedrock"].joins_unasked) == (True, False)


# Renewal


class Renewed:
    """Credentials for an hour, which end at a time of the test's."""

    def __init__(self, ends_in_s: float) -> None:
        self.times = 0
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.found = RefreshableCredentials.create_from_metadata(
            self.told(ends_in_s), refresh_using=self.renew, method="test"
        )

    def told(self, ends_in_s: float) -> dict[str, str]:
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ends_in_s)
        self.times += 1
        return {
            "access_key": f"AKID{self.times}",
            "secret_key": "x",
            "token": "t",
            "expiry_time": ends.isoformat(),
        }

    def renew(self) -> dict[str, str]:
        self.threads.append(threading.current_thread().name)
        self.gate.wait(10)
        return self.told(3600)


def found_by(monkeypatch: pytest.MonkeyPatch, renewed: Renewed) -> Credentials:
    monkeypatch.setattr(Session, "get_credentials", lambda _: renewed.found)
    return Credentials(own(region="us-east-1"))


async def key_of(who: Credentials) -> str:
    return str((await who.identity()).keys.access_key)


async def test_what_is_about_to_end_is_renewed_first_and_off_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewed = Renewed(300)
    who = found_by(monkeypatch, renewed)
    assert await asyncio.gather(*(key_of(who) for _ in range(20))) == ["AKID2"] * 20
    assert renewed.threads == ["aws-credentials"]


async def test_what_is_good_for_some_minutes_is_used_while_it_is_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewed = Renewed(3600)
    who = found_by(monkeypatch, renewed)
    assert await key_of(who) == "AKID1"
    renewed.found._expiry_time = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
        seconds=720
    )
    who._searched_at -= 100
    renewed.gate.clear()
    assert [await key_of(who) for _ in range(5)] == ["AKID1"] * 5
    search = who._search
    assert search is not None
    renewed.gate.set()
    await search
    assert await key_of(who) == "AKID2"
    assert len(renewed.threads) == 1


async def test_a_search_without_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = Renewed(1)
    renewed.gate.clear()
    monkeypatch.setattr(credentials, "LONGEST_S", 0.01)
    with pytest.raises(AdapterError, match="took too long"):
        await found_by(monkeypatch, renewed).identity()
    renewed.gate.set()


async def test_after_a_refusal_they_are_looked_for_anew(alone: Path) -> None:
    fake = FakeUpstream(Reply((b"{}",), status=403), GOOD)
    tried = BedrockAdapter(own(aws_profile="work"), fake.upstream, DictMemory())
    with pytest.raises(AdapterError):
        await collect(tried, a_request(KIT))
    (alone / "config").write_text(CONFIG.replace("AKIDOFWORK", "AKIDANEW"))
    await collect(tried, a_request(KIT))
    assert "AKIDANEW" in fake.requests[1].headers["authorization"]


# What goes wrong

LOGINS = {"SSOError", "UnauthorizedSSOTokenError", "PendingAuthorizationExpiredError"}


def test_every_exception_of_the_sdk_is_one_of_ours_and_says_nothing_of_its_own() -> None:
    names = [name for name in dir(botocore.exceptions) if not name.startswith("_")]
    classes = [getattr(botocore.exceptions, name) for name in names]
    errors = [
        one
        for one in classes
        if isinstance(one, type)
        and issubclass(one, Exception)
        and one.__module__ == "botocore.exceptions"
    ]
    assert len(errors) > 50
    for one in errors:
        error = adapter_error(one.__new__(one))
        assert (error.provider, error.phase) == ("bedrock", Phase.BEFORE_SEND)
        if one.__name__ in LOGINS:
            assert error.kind is ErrorKind.ACCOUNT
        if issubclass(one, botocore.exceptions.HTTPClientError):
            assert error.kind in (ErrorKind.NETWORK, ErrorKind.TIMEOUT_CONNECT)
    assert adapter_error(ValueError("a file's words")).kind is ErrorKind.AUTH
    assert "words" not in adapter_error(ValueError("a file's words")).message


# Lists

FOUNDATION = {
    "modelSummaries": [
        {"modelId": NOVA, "providerName": "Amazon", "outputModalities": ["TEXT"],
         "inferenceTypesSupported": ["ON_DEMAND"]},
        {"modelId": "amazon.nova-lite-v1:0:24k", "outputModalities": ["TEXT"],
         "inferenceTypesSupported": ["PROVISIONED"]},
        {"modelId": "anthropic.c", "providerName": "Anthropic", "outputModalities": ["TEXT"],
         "inferenceTypesSupported": ["INFERENCE_PROFILE"]},
        {"modelId": "amazon.titan-embed", "outputModalities": ["EMBEDDING"],
         "inferenceTypesSupported": ["ON_DEMAND"]},
        {"modelId": "amazon.canvas", "outputModalities": ["IMAGE"],
         "inferenceTypesSupported": ["ON_DEMAND"]},
        {"modelId": 7},
    ]
}  # fmt: skip
PROFILES = {
    "inferenceProfileSummaries": [
        {"inferenceProfileId": "eu.anthropic.c", "type": "SYSTEM_DEFINED"},
        {"inferenceProfileId": "abc", "inferenceProfileArn": "arn:aws:b:r:1:x/abc",
         "type": "APPLICATION", "models": [{"modelArn": "arn:aws:b:r::x/anthropic.c"}]},
    ]
}  # fmt: skip


async def test_what_answers_by_its_name_is_listed() -> None:
    fake = FakeUpstream(json_reply(FOUNDATION), json_reply(PROFILES))
    assert await adapter(fake.upstream).models() == [
        Model(NOVA, owned_by="Amazon"),
        Model("amazon.titan-embed", chat=False, embeds=True),
        Model("amazon.canvas", chat=False),
        Model("eu.anthropic.c", owned_by="Anthropic"),
        Model("arn:aws:b:r:1:x/abc", owned_by="Anthropic"),
    ]
    assert [str(one.url) for one in fake.requests] == [
        "https://bedrock.us-east-1.amazonaws.com/foundation-models",
        "https://bedrock.us-east-1.amazonaws.com/inference-profiles?maxResults=1000",
    ]


async def test_who_may_not_list_profiles_gets_the_models_all_the_same() -> None:
    denied = json_reply({"message": "not authorized"}, 403)
    fake = FakeUpstream(json_reply(FOUNDATION), denied)
    assert len(await adapter(fake.upstream).models()) == 3
    first = json_reply({**PROFILES, "nextToken": "p2"})
    fake = FakeUpstream(json_reply(FOUNDATION), first, denied)
    assert len(await adapter(fake.upstream).models()) == 5  # what was read before stays


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (json_reply({"message": f"no {API_KEY}"}, 403), ErrorKind.AUTH),
        (httpx.ConnectError("x"), ErrorKind.NETWORK),
        (Reply((b"<html>",)), ErrorKind.BAD_RESPONSE),
        (json_reply({}), ErrorKind.BAD_RESPONSE),
        (json_reply({"modelSummaries": 7}), ErrorKind.BAD_RESPONSE),
        (json_reply({"modelSummaries": [7]}), ErrorKind.BAD_RESPONSE),
    ],
)
async def test_a_list_that_fails_is_an_adapter_error(
    reply: Reply | Exception, kind: ErrorKind
) -> None:
    with pytest.raises(AdapterError) as caught:
        await adapter(FakeUpstream(reply).upstream).models()
    assert caught.value.kind is kind
    assert API_KEY not in caught.value.message


async def test_it_is_available_where_it_lists_its_models() -> None:
    good, bad = json_reply(FOUNDATION), json_reply({"message": "no"}, 403)
    assert (await adapter(FakeUpstream(good).upstream).is_available()).reachable
    assert not (await adapter(FakeUpstream(bad).upstream).is_available()).reachable


def test_without_the_extra_and_without_a_key_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.bedrock.adapter.find_spec", lambda _: None)
    unable = BedrockAdapter(own(name="work"), FakeUpstream().upstream, DictMemory())
    assert "WORK_API_KEY" in str(unable.unconfigured)
    assert adapter(FakeUpstream().upstream).unconfigured is None
    assert settings().address == "https://bedrock-runtime.us-east-1.amazonaws.com"
