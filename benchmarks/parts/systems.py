"""What is measured: pointsman, a bare pass-through, and other gateways where they are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MUCH = "1000000000"


@dataclass(frozen=True)
class System:
    """One gateway. `routes` maps the upstream's dialect to the model that a client asks for.

    `command` starts it on `{port}`; without one it is the upstream itself.
    """

    name: str
    routes: Mapping[str, str]
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict)
    version: str = ""

    def started_on(self, port: int) -> list[str]:
        return [part.replace("{port}", str(port)) for part in self.command]


def systems(
    upstream: str, folder: Path, *, litellm: str | None = None, portkey: Path | None = None
) -> list[System]:
    """All that can be had; `folder` is for what they write.

    `litellm` is the command of that name, `portkey` the folder where npm has put its gateway.
    """
    found = [direct(), pass_through(upstream), pointsman(upstream, folder)]
    if litellm:
        found.append(litellm_proxy(litellm, upstream, folder))
    if portkey:
        found.append(portkey_gateway(portkey, upstream))
    return found


def direct() -> System:
    """The upstream without anything between: what is taken off where added time is told."""
    return System("direct", {"groq": "m"}, path="/openai/v1/chat/completions")


def pass_through(upstream: str) -> System:
    """Starlette and httpx, as one would write it in an hour."""
    command = (sys.executable, str(HERE / "passthrough.py"), "{port}", upstream)
    return System("pass-through", {"groq": "m"}, command)


def pointsman(upstream: str, folder: Path, **env: str) -> System:
    """As it comes, usage recorded; limits are on, but high enough to let everything through."""
    return System(
        "pointsman",
        {name: f"{name}/m" for name in ("groq", "gemini", "ollama", "other")},
        (str(Path(sys.executable).with_name("pointsman")), "--port", "{port}"),
        {
            "GROQ_API_KEY": "gsk_benchmark",
            "GROQ_BASE_URL": upstream,
            "GROQ_RATE_LIMIT_REQUESTS_PER_MINUTE": MUCH,
            "GEMINI_API_KEY": "benchmark",
            "GEMINI_BASE_URL": upstream,
            "GEMINI_RATE_LIMIT_REQUESTS_PER_MINUTE": MUCH,
            "OLLAMA_HOST": upstream,
            "POINTSMAN_PROVIDERS": "other",
            "OTHER_KIND": "openai",
            "OTHER_BASE_URL": f"{upstream}/v1",
            "POINTSMAN_DATABASE_URL": f"sqlite:///{folder / 'pointsman.db'}",
            **env,
        },
    )


def litellm_proxy(command: str, upstream: str, folder: Path) -> System:
    """LiteLLM's proxy, one worker, without a database, spending limits or keys of its own."""
    config = folder / "litellm.yaml"
    groq = {"model": "groq/m", "api_base": f"{upstream}/openai/v1", "api_key": "x"}
    model = {"model_name": "m", "litellm_params": groq}
    config.write_text(json.dumps({"model_list": [model]}))
    told = subprocess.run([command, "--version"], capture_output=True, text=True).stdout
    return System(
        "LiteLLM",
        {"groq": "m"},
        (command, "--config", str(config), "--host", "127.0.0.1", "--port", "{port}"),
        {
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "LITELLM_LOCAL_MODEL_COST_MAP": "true",
            "LITELLM_LOG": "ERROR",
        },
        version=told.split()[-1] if told else "",
    )


def portkey_gateway(folder: Path, upstream: str) -> System:
    """Portkey's gateway, on Node."""
    package = folder / "node_modules" / "@portkey-ai" / "gateway"
    host = f"{upstream}/openai/v1"
    return System(
        "Portkey",
        {"groq": "m"},
        ("node", str(package / "build" / "start-server.js"), "--headless", "--port={port}"),
        {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
        headers={"x-portkey-provider": "groq", "x-portkey-custom-host": host},
        version=json.loads((package / "package.json").read_text())["version"],
    )
