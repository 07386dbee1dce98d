"""What a request becomes at each provider that can be set up by its name is shown by `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from adapters import PRESETS, STANDING
from adapters.openai.profiles import PRESETS as PROFILES
from proxy.app import create_app
from proxy.providers import providers_of
from proxy.settings import Settings
from tests.proxy.serving import Host

ASKED: Any = {
    "model": "default",
    "messages": [{"role": "user", "content": "Which way?"}],
    "max_tokens": 9,
    "temperature": 0.5,
    "seed": 7,
}


def test_each_profile_is_explained_in_its_own_words(tmp_path: Path) -> None:
    names = [*PRESETS]
    environment = {"POINTSMAN_PROVIDERS": ",".join(names), "AWS_REGION": "eu-central-1"}
    for name in names:
        environment[f"{name.upper()}_API_KEY"] = f"k-{name}"
        if name in PROFILES and PROFILES[name].local:
            environment[f"{name.upper()}_BASE_URL"] = "http://127.0.0.1:9/v1"
    settings = Settings(
        providers=providers_of(environment), database_url=f"sqlite:///{tmp_path}/x.db"
    )
    with Host().running() as host, host.serving(create_app(settings)):
        url = f"{host.base_url}/admin/api/explain"
        told = httpx.post(url, json=ASKED, trust_env=False, timeout=20).json()["providers"]
    shown = {one["provider"]: one for one in told}

    assert shown.keys() >= {*STANDING, *PRESETS}
    for name, profile in PROFILES.items():
        body, warnings = shown[name]["body"], shown[name]["warnings"]
        assert shown[name]["path"].endswith("/chat/completions"), name
        assert body[profile.max_tokens] == 9, name
        seed = profile.spelled.get("seed", "seed")
        assert (seed in body) == ("seed" in profile.takes), name
        assert ("dropped=seed" in warnings) == ("seed" not in profile.takes), name
    for name in {*PRESETS, *STANDING} - {*PROFILES}:
        assert "body" in shown[name] or "error" in shown[name], name
