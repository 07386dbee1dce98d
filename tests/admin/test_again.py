"""What does not pass by itself is tried again when its owner says so, and nothing else is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.base import ErrorKind, Scope
from proxy.candidate import Candidate
from proxy.limits.ticket import Ticket
from tests.admin.kit import Desk, desk
from tests.proxy.kit import failure

pytestmark = pytest.mark.anyio
REFUSALS = [
    (ErrorKind.AUTH, Scope.KEY),
    (ErrorKind.ACCOUNT, Scope.PROVIDER),
    (ErrorKind.ACCOUNT, Scope.MODEL),
    (ErrorKind.MODEL_MISSING, Scope.MODEL),
]


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


async def fail(owner: Desk, kind: ErrorKind, scope: Scope, **more: Any) -> None:
    model = (await owner.provider("near"))["model"]
    call = owner.parts.health.admit(Candidate("near", model))
    assert isinstance(call, Ticket)
    call.failed(failure(kind, "near", scope=scope, **more))
    assert (await owner.provider("near"))["pause"]


@pytest.mark.parametrize(("kind", "scope"), REFUSALS)
@pytest.mark.parametrize("way", ["button", "choice"])
async def test_a_refusal_is_tried_again_at_once(
    owner: Desk, kind: ErrorKind, scope: Scope, way: str
) -> None:
    await fail(owner, kind, scope)
    if way == "button":
        answer = await owner.client.post("/admin/api/again", json={"provider": "near"})
        assert answer.json() == {"provider": "near", "ok": True}
    else:
        assert (await owner.put({"default_llm_provider": "near"})).status_code == 200
    assert (await owner.provider("near"))["pause"] is None


@pytest.mark.parametrize("kind", [ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY])
async def test_a_limit_is_kept_to_all_the_same(owner: Desk, kind: ErrorKind) -> None:
    await fail(owner, kind, Scope.PROVIDER, retry_after_s=600)
    for body in ({"provider": "near"}, {"provider": "far"}):
        assert (await owner.client.post("/admin/api/again", json=body)).status_code == 200
    assert (await owner.provider("near"))["pause"]


async def test_another_provider_stays_refused(owner: Desk) -> None:
    await fail(owner, ErrorKind.AUTH, Scope.KEY)
    await owner.client.post("/admin/api/again", json={"provider": "far"})
    assert (await owner.provider("near"))["pause"]["reason"] == "auth"


@pytest.mark.parametrize("body", [{}, {"provider": "nowhere"}, {"provider": 3}])
async def test_nothing_but_a_provider_is_taken(owner: Desk, body: Any) -> None:
    answer = await owner.client.post("/admin/api/again", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "provider")
