"""What servers that speak as OpenAI does differ in: a row each. A new one is one row more.

Sources: the API references of each house, as of November 2026.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from adapters.compatible.limits import DAY_S, MINUTE_S, PER_MINUTE, LimitHeaders, limit_headers

COMMON = frozenset(
    {
        *("temperature", "top_p", "seed", "user", "frequency_penalty", "presence_penalty"),
        *("logit_bias", "logprobs", "top_logprobs"),
    }
)
"""What most take of OpenAI's parameters that no other field of a request holds."""
OPENAIS = COMMON | {
    *("verbosity", "service_tier", "store", "metadata", "prediction", "safety_identifier"),
    *("prompt_cache_key", "prompt_cache_retention", "web_search_options", "moderation"),
}
"""What OpenAI takes itself."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One house, or one server for an own machine.

    `base_url` is all before `/chat/completions`. `key` is a variable of other programs as well,
    read where the provider is named; `alone` tells whether a key under its own name sets it up
    unnamed. `paid` is False where an account that nobody pays for is enough.

    `max_tokens` is the name of that parameter, `takes` are others by OpenAI's names, `spelled`
    their own names for them, `required` is their word for that tool choice, `effort` how they take
    reasoning effort, `thoughtless` what stands for none of it. `limits` are the headers that tell
    of theirs. An `open` one is sent also what OpenAI does not define. `schemas`: JSON by schema,
    `many`: several choices at once, `id_chars`: how long ids of calls must be, `thoughts`: the
    field in which earlier ones go back. `closed` is since when it answers nobody.

    `list_url` is where models are listed, if that is somewhere else. `embedding`, `hearing` and the
    like are its models for that, where one is known. `prices` and `gen_ai` are its ids in price
    lists and in OpenTelemetry's conventions.
    """

    title: str
    base_url: str = ""
    model: str = ""
    key: str = ""
    alone: bool = True
    local: bool = False
    paid: bool = True
    max_tokens: str = "max_tokens"
    takes: frozenset[str] = COMMON
    spelled: Mapping[str, str] = field(default_factory=dict)
    required: str = "required"
    effort: str = "reasoning_effort"
    thoughtless: Mapping[str, Any] | None = None
    limits: LimitHeaders = PER_MINUTE
    open: bool = False
    schemas: bool = True
    many: bool = True
    files: bool = False
    audio: bool = False
    images_out: bool = False
    image_urls: bool = True
    usage_option: bool = True
    names: bool = True
    id_chars: int | None = None
    thoughts: str | None = None
    list_url: str = ""
    embedding: str = ""
    hearing: str = ""
    translating: str = ""
    speaking: str = ""
    painting: str = ""
    prices: str = ""
    gen_ai: str = ""
    closed: str = ""

    @property
    def needs_key(self) -> bool:
        """Whether nothing can be had without one."""
        return bool(self.base_url) and not self.local


def _own(title: str, port: int) -> Profile:
    """A server for an own machine."""
    return Profile(
        title,
        f"http://127.0.0.1:{port}/v1",
        local=True,
        paid=False,
        open=True,
        audio=True,
        image_urls=False,
        thoughts="reasoning_content",
    )


PRESETS: Mapping[str, Profile] = {
    "openai": Profile(
        "OpenAI (Cloud)",
        "https://api.openai.com/v1",
        "gpt-6.1-terra",
        alone=False,
        max_tokens="max_completion_tokens",
        takes=OPENAIS,
        files=True,
        audio=True,
        embedding="text-embedding-3-small",
        hearing="whisper-1",
        translating="whisper-1",
        speaking="gpt-4o-mini-tts",
        painting="gpt-image-2.6-flare",
        gen_ai="openai",
    ),
    "openrouter": Profile(
        "OpenRouter (Cloud)",
        "https://openrouter.ai/api/v1",
        "openrouter/auto",
        takes=COMMON | {"web_search_options", "prediction", "verbosity"},
        effort="reasoning",
        open=True,
        many=False,
        files=True,
        audio=True,
        images_out=True,
        thoughts="reasoning",
    ),
    "mistral": Profile(
        "Mistral (Cloud)",
        "https://api.mistral.ai/v1",
        "mistral-small-latest",
        paid=False,
        takes=frozenset({"temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"}),
        spelled={"seed": "random_seed"},
        required="any",
        limits=limit_headers("req-minute", "tokens-minute", MINUTE_S),
        usage_option=False,
        names=False,
        id_chars=9,
        embedding="mistral-embed",
        gen_ai="mistral_ai",
    ),
    "cerebras": Profile(
        "Cerebras (Cloud)",
        "https://api.cerebras.ai/v1",
        "gpt-oss-120b",
        paid=False,
        max_tokens="max_completion_tokens",
        takes=frozenset({"temperature", "top_p", "seed", "user", "logprobs", "top_logprobs"}),
        limits=limit_headers("requests-day", "tokens-minute", DAY_S, "s"),
        many=False,
        thoughts="reasoning",
    ),
    "deepseek": Profile(
        "DeepSeek (Cloud)",
        "https://api.deepseek.com/v1",
        "deepseek-flash",
        takes=COMMON - {"seed", "user", "logit_bias"},
        thoughtless={"thinking": {"type": "disabled"}},
        schemas=False,
        many=False,
        thoughts="reasoning_content",
        gen_ai="deepseek",
    ),
    "together": Profile(
        "Together (Cloud)",
        "https://api.together.xyz/v1",
        "openai/gpt-oss-120b",
        takes=COMMON - {"user"},
        open=True,
    ),
    "fireworks": Profile(
        "Fireworks (Cloud)",
        "https://api.fireworks.ai/inference/v1",
        "accounts/fireworks/models/gpt-oss-120b",
        open=True,
        thoughts="reasoning_content",
    ),
    "nvidia": Profile(
        "NVIDIA (Cloud)",
        "https://integrate.api.nvidia.com/v1",
        "openai/gpt-oss-120b",
        paid=False,
        takes=COMMON - {"logit_bias", "user"},
        many=False,
    ),
    "github": Profile(
        "GitHub Models (Cloud)",
        "https://models.github.ai/inference",
        "openai/gpt-4.1-mini",
        key="GITHUB_TOKEN",
        paid=False,
        takes=COMMON - {"logit_bias", "logprobs", "top_logprobs", "user"},
        list_url="https://models.github.ai/catalog/models",
        embedding="openai/text-embedding-3-small",
        prices="github",
        closed="30 July 2026",
    ),
    "huggingface": Profile(
        "Hugging Face (Cloud)",
        "https://router.huggingface.co/v1",
        "openai/gpt-oss-120b",
        key="HF_TOKEN",
        takes=COMMON - {"user"},
        prices="huggingface_together",
    ),
    "xai": Profile(
        "xAI (Cloud)",
        "https://api.x.ai/v1",
        "grok-4.3",
        max_tokens="max_completion_tokens",
        takes=COMMON - {"logit_bias"},
        thoughts="reasoning_content",
        prices="x-ai",
        gen_ai="x_ai",
    ),
    "sambanova": Profile(
        "SambaNova (Cloud)",
        "https://api.sambanova.ai/v1",
        "Meta-Llama-3.3-70B-Instruct",
        paid=False,
        takes=frozenset({"temperature", "top_p"}),
        many=False,
    ),
    "lmstudio": _own("LM Studio (Local)", 1234),
    "llamacpp": _own("llama.cpp (Local)", 8080),
    "vllm": _own("vLLM (Local)", 8000),
    "jan": _own("Jan (Local)", 1337),
}
"""By the name of the provider that each sets up."""

_ELSEWHERE = Profile("OpenAI-compatible", open=True, audio=True, files=True, image_urls=False)
_AT_HOME = Profile(
    "OpenAI-compatible", local=True, paid=False, open=True, audio=True, image_urls=False
)
_HOME_NAMES = (".local", ".lan", ".home.arpa", ".internal")


def profile_of(name: str, base_url: str | None) -> Profile:
    """The preset of a name, else of the address's host, else of a server nobody knows."""
    if name in PRESETS:
        return PRESETS[name]
    host = urlsplit(base_url or "").hostname or ""
    for preset in PRESETS.values():
        if not preset.local and urlsplit(preset.base_url).hostname == host:
            return preset
    return _AT_HOME if is_home(host) else _ELSEWHERE


def is_home(host: str) -> bool:
    """Whether a host is of the user's own network: nobody asks money there."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_HOME_NAMES))
    return address.is_private or address.is_loopback or address.is_link_local
