"""What needs no answer of a model: who is there, which models, and changes, which are refused."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.base import Adapter, Capabilities, Json
from adapters.wire.aside import aside, weight_of
from proxy.doors.door import Call
from proxy.doors.frames.ndjson import HEADERS, line
from proxy.doors.models.offered import Named, Offered
from proxy.doors.ollama.errors import OllamaErrors
from proxy.doors.ollama.objects import VERSION, moment
from proxy.doors.ollama.read import LATEST, model_name, no_model
from proxy.doors.ollama.real import Real
from proxy.doors.reading.body import parse_json
from proxy.doors.writing.whole import TEXT_TYPE, json_reply
from proxy.errors import ApiError
from proxy.reply import Reply

RUNNING = b"Ollama is running"
PAGE = b"/admin"
OURS_MARK = (b"x-pointsman", b"1")
"""Tells that this is no real server, to who would take it for one."""
UNKNOWN_DAY_S = 1_735_689_600.0
"""2025-01-01, for models whose age nobody states."""
UNKNOWN_CONTEXT = 32_768
ABILITIES: Mapping[str, str] = {
    "tools": "tools",
    "vision": "images",
    "thinking": "thinking",
    "audio": "audio",
}
"""The words of this API, by our own."""
PULL, BLOBS = "/api/pull", "/api/blobs/{digest}"
CHANGING: Mapping[str, tuple[Sequence[str], str]] = {
    "/api/push": (("POST",), "push models"),
    "/api/create": (("POST",), "create models"),
    "/api/copy": (("POST",), "copy models"),
    "/api/delete": (("DELETE",), "delete models"),
    BLOBS: (("POST", "HEAD"), "keep files"),
    "/api/signout": (("POST",), "sign out"),
    "/api/user/keys/{key}": (("DELETE",), "take away keys"),
}
"""What would change a machine: path, methods, and what it is to do."""
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)b(?![A-Za-z0-9])", re.IGNORECASE)


class Root(OllamaErrors):
    """GET /: that somebody is there; to a browser, the way to the page."""

    async def answer(self, call: Call) -> Reply:
        if b"text/html" in call.headers.get(b"accept", b""):
            return Reply(307, ((b"location", PAGE), (b"cache-control", b"no-store")), b"")
        return Reply(200, (TEXT_TYPE,), RUNNING)


class Version(OllamaErrors):
    """GET /api/version: of the API, never a provider's."""

    async def answer(self, _call: Call) -> Reply:
        return json_reply({"version": VERSION}, OURS_MARK)


class Models:
    """The models by the names that this door gives them: plain where that is unmistakable."""

    def __init__(self, offered: Offered, adapters: Mapping[str, Adapter], real: Real) -> None:
        self._offered = offered
        self.permits = offered.permits
        self._adapters = adapters
        self.real = real

    async def every(self, app: str) -> Sequence[tuple[str, Named]]:
        """Each that an app may ask by its name, those first that chat."""
        found = sorted(await self._offered.every(app), key=lambda one: not one.model.chat)
        return list(_plainly(found))

    async def single(self, name: str, app: str) -> Named:
        for spelling in dict.fromkeys((name, name.removesuffix(LATEST))):
            try:
                return await self._offered.single(spelling, app)
            except ApiError:
                continue
        raise no_model(name)

    def capabilities(self, one: Named) -> list[str]:
        """What a model can do; all, where any may answer to its name."""
        if not one.model.chat:
            return ["embedding"]
        can = self._can(one) or Capabilities()
        return ["completion", *(word for word, own in ABILITIES.items() if getattr(can, own))]

    def context(self, one: Named) -> int:
        can = self._can(one)
        return one.model.context or (can and can.context) or UNKNOWN_CONTEXT

    def _can(self, one: Named) -> Capabilities | None:
        adapter = self._adapters.get(one.provider or "")
        return adapter.capabilities(one.model.id) if adapter else None


def _plainly(found: Sequence[Named]) -> Iterator[tuple[str, Named]]:
    taken: set[str] = set()
    for one in found:
        plain = one.model.id if one.provider else one.name
        name = one.name if plain in taken else plain
        taken.add(name)
        yield name, one


class _ModelDesk(OllamaErrors):
    """A desk that knows the models."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def _entry(self, name: str, one: Named) -> Json:
        created_s = one.model.created if 0 < one.model.created < 2**34 else UNKNOWN_DAY_S
        return {
            "name": name,
            "model": name,
            "modified_at": moment(created_s),
            "size": 0,
            "digest": hashlib.sha256(name.encode()).hexdigest(),  # equal ones would be one model
            "details": details(one),
            "capabilities": self._models.capabilities(one),
        }


class Tags(_ModelDesk):
    """GET /api/tags."""

    async def answer(self, call: Call) -> Reply:
        """The list, with a real server's own words for its own models."""
        models = self._models
        named, own = await asyncio.gather(models.every(call.app), models.real.models("/api/tags"))
        rows = []
        for name, one in named:
            row = self._entry(name, one)
            if one.provider == models.real.provider and (told := own.get(one.model.id)):
                row |= {key: value for key, value in told.items() if value is not None}
                row |= {
                    "name": name,
                    "model": name,
                    "details": _whole_details(told.get("details"), one),
                }
            rows.append(row)
        return json_reply({"models": rows})


class Show(_ModelDesk):
    """POST /api/show."""

    async def answer(self, call: Call) -> Reply:
        """What a model is: a real server's own words for its own, else what is known of it."""
        models, data = self._models, await aside(weight_of(call.body), parse_json, call.body)
        name = model_name(data.get("model") or data.get("name"))
        one = await models.single(name, call.app)
        if one.provider is not None and one.provider == models.real.provider:
            body = {"model": one.model.id, "verbose": data.get("verbose") is True}
            told = await models.real.ask("POST", "/api/show", body)
            if told is not None and isinstance(told.get("model_info"), dict):
                return json_reply(told)
        entry = self._entry(name, one)
        architecture = entry["details"]["family"]
        return json_reply(
            {
                "license": "",
                "modelfile": f"FROM {name}",
                "parameters": "",
                "template": "{{ .Prompt }}",
                "details": entry["details"],
                "model_info": {
                    "general.architecture": architecture,
                    "general.basename": one.model.id,
                    "general.parameter_count": parameter_count(one.model.id),
                    f"{architecture}.context_length": models.context(one),
                },
                "capabilities": entry["capabilities"],
                "modified_at": entry["modified_at"],
            }
        )


class Running(_ModelDesk):
    """GET /api/ps."""

    async def answer(self, call: Call) -> Reply:
        """What a real server has loaded, as far as an app may ask it; nobody else loads any."""
        real = self._models.real
        loaded = await real.models("/api/ps")
        may = self._models.permits(call.app)
        told = [row for name, row in loaded.items() if may(real.provider or "", name)]
        return json_reply({"models": told})


class Pull(_ModelDesk):
    """POST /api/pull: what can be asked for already is there."""

    async def answer(self, call: Call) -> Reply:
        data = await aside(weight_of(call.body), parse_json, call.body)
        name = model_name(data.get("model") or data.get("name"))
        try:
            await self._models.single(name, call.app)
        except ApiError:
            raise unchanged("pull models") from None
        done: Json = {"status": "success"}
        return json_reply(done) if data.get("stream") is False else Reply(200, HEADERS, line(done))


class Unchanged(OllamaErrors):
    """What would change a machine, or reveal something of it."""

    def __init__(self, what: str) -> None:
        self._what = what

    async def answer(self, _call: Call) -> Reply:
        raise unchanged(self._what)


def unchanged(what: str) -> ApiError:
    """403 for what is done at the real server, and not from here."""
    return ApiError(
        403,
        f"this server does not {what}: do that where the models are kept,"
        " or set POINTSMAN_OLLAMA_PASSTHROUGH=on",
        code="not_changed_here",
    )


def details(one: Named) -> Json:
    """What a real server knows of a file; here what the name says."""
    family = re.split(r"[-:.@0-9]", one.model.id.rpartition("/")[2].lower())[0] or "model"
    size = _SIZE.search(one.model.id)
    return {
        "parent_model": "",
        "format": "",
        "family": family,
        "families": [family],
        "parameter_size": f"{size[1]}B" if size else "",
        "quantization_level": "",
    }


def parameter_count(name: str) -> int:
    """By its name; 0 where that does not say."""
    size = _SIZE.search(name)
    return int(float(size[1]) * 1e9) if size else 0


def _whole_details(told: Any, one: Named) -> Json:
    """With nothing missing, and nothing null: clients take neither."""
    given = told.items() if isinstance(told, dict) else ()
    return details(one) | {key: value for key, value in given if value is not None}
