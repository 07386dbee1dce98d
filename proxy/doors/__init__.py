"""What clients speak: HTTP in, HTTP out. `DOORS` lists it; routes and spellers are made of that."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from starlette.routing import compile_path

from adapters.base import Adapter
from adapters.tasks import TranscriptionRequest, TranslationRequest
from proxy.doors.apps import ANTHROPIC, App
from proxy.doors.audio import HearingDoor
from proxy.doors.audio.speech import SpeechDoor
from proxy.doors.chat import ChatDoor
from proxy.doors.completions import CompletionsDoor
from proxy.doors.door import Call, Desk, Door
from proxy.doors.embeddings import EmbeddingsDoor
from proxy.doors.gemini import APP as GEMINI_APP, GenerateDoor
from proxy.doors.gemini.embed import EmbedDoor
from proxy.doors.gemini.local import CountedTokens, NotServed
from proxy.doors.gemini.models import GeminiModels
from proxy.doors.images import ImagesDoor
from proxy.doors.images.edits import EditsDoor
from proxy.doors.messages import CountTokens, MessagesDoor
from proxy.doors.messages.models import AnthropicModels
from proxy.doors.models.catalog import Catalog
from proxy.doors.models.desk import Form, ModelsDesk
from proxy.doors.models.offered import Offered
from proxy.doors.ollama import APP as OLLAMA_APP, OllamaChat, OllamaGenerate, local
from proxy.doors.ollama.embed import OllamaEmbed
from proxy.doors.ollama.real import Real
from proxy.doors.openai import OpenAIErrors
from proxy.doors.responses import ResponsesDoor
from proxy.doors.responses.compact import CompactDoor
from proxy.doors.responses.conversations import (
    ConversationItem,
    ConversationItems,
    KeptConversation,
    NewConversation,
)
from proxy.doors.responses.in_memory import Turns
from proxy.doors.responses.local import Cancelled, InputItems, InputTokens, KeptResponse
from proxy.errors import bad_request
from proxy.reply import NO_HEADERS, Reply, Speller
from proxy.routing.counting import Count, nobody_counts

PREFIXES = ("/v1", "/openai/v1", "/v1beta/openai", "/openai")
"""Of OpenAI's doors. The second is Groq's, the third Gemini's for apps that speak to it as to
OpenAI, and the last Azure's, so that these can swap their base URL, too."""
NAMING = ("/openai/deployments/{model:path}", "/v1/engines/{model:path}")
"""The same where the path has the model's name: Azure's, and OpenAI's clients before 1.0."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a door is. Its protocol is spoken at its paths, and at all that is `beneath` others.

    Paths are written as Starlette's: `{name}` is a part of one, `{name:path}` any number of parts.
    `for_desktops` says that programs made of web pages, and such as name no content type, ask here.
    `takes_form` tells that a form is posted there, and no JSON.
    """

    door: Door[Any] | Desk
    paths: tuple[str, ...]
    methods: tuple[str, ...] = ("POST",)
    beneath: tuple[str, ...] = ()
    for_desktops: bool = False
    takes_form: bool = False

    @property
    def posts(self) -> tuple[str, ...]:
        """The paths that need no route to be found."""
        plain = tuple(path for path in self.paths if "{" not in path)
        return plain if "POST" in self.methods else ()

    def speaks_at(self, path: str) -> bool:
        """Whether a failure at `path` is put in the words of this door."""
        return self.is_at(path) or self.is_near(path)

    def is_near(self, path: str) -> bool:
        """Whether the door is nearest to what is not, if the path is none of the owner's."""
        return path.startswith(self.beneath) and path not in OWNERS

    def is_at(self, path: str) -> bool:
        """Whether the door is there, and not only nearest to what is not."""
        return path in self.paths or any(
            compile_path(one)[0].match(path) for one in self.paths if "{" in one
        )


OWNERS = ("/api/user/preferences",)
"""Paths of the page's and the commands', which are beneath others'."""
OLLAMA_NOWHERE = ("/api/", "/v1/systemone")
"""Where Ollama's clients may ask for what is not here."""
UNSERVED = (
    *("predict", "predictLongRunning", "batchGenerateContent", "asyncBatchEmbedContent"),
    *("generateAnswer", "computeTokens"),
)
"""Methods of Gemini's that are told not to be here where its clients share paths with others."""


def _openai(path: str) -> tuple[str, ...]:
    return tuple(prefix + path for prefix in PREFIXES)


def _named(path: str) -> tuple[str, ...]:
    """Where a model is asked for, by name in the body or in the path."""
    return (*_openai(path), *(prefix + path for prefix in NAMING))


_TRANSCRIPTIONS = HearingDoor("transcriptions", TranscriptionRequest)
_TRANSLATIONS = HearingDoor("translations", TranslationRequest)

APPS: Mapping[str, App] = {
    "anthropic": ANTHROPIC,
    OllamaChat.name: OLLAMA_APP,
    GenerateDoor.name: GEMINI_APP,
}
"""By the name of what an app speaks; without one, it is OpenAI's."""

GEMINIS = ("/v1beta", "/v1")
"""Where Gemini's clients look for it. The second they share with OpenAI's."""


def _gemini(*methods: str) -> tuple[str, ...]:
    """The paths of methods; all before the last colon is the model's name."""
    return tuple(f"{prefix}/{{model:path}}:{name}" for name in methods for prefix in GEMINIS)


DOORS: tuple[Entrance, ...] = (
    Entrance(ChatDoor(), _named("/chat/completions"), beneath=("/v1beta/openai/",)),
    # Gemini's early: no shortcut leads to a path with a name in it, and routes are tried in order.
    Entrance(GenerateDoor(), _gemini("generateContent"), beneath=("/v1beta/",)),
    Entrance(GenerateDoor(stream=True), _gemini("streamGenerateContent")),
    Entrance(CompletionsDoor(), _named("/completions")),
    Entrance(EmbeddingsDoor(), _named("/embeddings")),
    Entrance(_TRANSCRIPTIONS, _named("/audio/transcriptions"), takes_form=True),
    Entrance(_TRANSLATIONS, _named("/audio/translations"), takes_form=True),
    Entrance(SpeechDoor(), _named("/audio/speech")),
    Entrance(ImagesDoor(), _named("/images/generations")),
    Entrance(EditsDoor(), _named("/images/edits"), takes_form=True),
    Entrance(OllamaChat(), ("/api/chat",), beneath=OLLAMA_NOWHERE, for_desktops=True),
    Entrance(OllamaGenerate(), ("/api/generate",), for_desktops=True),
    Entrance(OllamaEmbed(), ("/api/embed",), for_desktops=True),
    Entrance(OllamaEmbed(is_one=True), ("/api/embeddings",), for_desktops=True),
    Entrance(MessagesDoor(), ("/v1/messages",), beneath=("/v1/messages/",)),
    Entrance(EmbedDoor(), _gemini("embedContent")),
    Entrance(EmbedDoor(several=True), _gemini("batchEmbedContents")),
)


_TALK = "/conversations/{conversation_id}"


def counting(count: Count = nobody_counts) -> tuple[Entrance, ...]:
    """The doors that count the tokens of a request."""
    return (
        Entrance(CountTokens(count), ("/v1/messages/count_tokens",)),
        Entrance(CountedTokens(count), _gemini("countTokens")),
    )


def keeping(kept: Turns, count: Count = nobody_counts) -> tuple[Entrance, ...]:
    """The doors that know what was said before, from `kept`."""
    return (
        Entrance(ResponsesDoor(kept), _openai("/responses")),
        Entrance(InputTokens(kept, count), _openai("/responses/input_tokens")),
        Entrance(CompactDoor(kept), _openai("/responses/compact")),
        Entrance(KeptResponse(kept), _openai("/responses/{response_id}"), ("GET", "DELETE")),
        Entrance(InputItems(kept), _openai("/responses/{response_id}/input_items"), ("GET",)),
        Entrance(Cancelled(kept), _openai("/responses/{response_id}/cancel")),
        Entrance(NewConversation(kept), _openai("/conversations")),
        Entrance(KeptConversation(kept), _openai(_TALK), ("GET", "POST", "DELETE")),
        Entrance(ConversationItems(kept), _openai(f"{_TALK}/items"), ("GET", "POST")),
        Entrance(ConversationItem(kept), _openai(f"{_TALK}/items/{{item_id}}"), ("GET", "DELETE")),
    )


_UNSERVED = Entrance(NotServed(), _gemini(*UNSERVED), ("GET", "POST", "PATCH", "DELETE"))
_GEMINI_MODELS = GeminiModels()
_FORMS: Mapping[bytes, Form] = {
    b"anthropic-version": AnthropicModels(),
    b"x-goog-api-key": _GEMINI_MODELS,
}
"""Where several protocols have the same path: by a header of theirs. Else it is OpenAI's."""


def listing(offered: Offered) -> tuple[Entrance, ...]:
    """The doors that list the models."""
    desk = ModelsDesk(offered, _FORMS)
    beta = ModelsDesk(offered, {}, _GEMINI_MODELS)
    return (
        Entrance(desk, (*_openai("/models"), *_openai("/models/{id:path}")), ("GET",)),
        Entrance(beta, ("/v1beta/models", "/v1beta/models/{id:path}"), ("GET",)),
        _UNSERVED,
        Entrance(NotServed(), ("/v1beta/{rest:path}",), _UNSERVED.methods),
    )


def ollama(
    offered: Offered,
    adapters: Mapping[str, Adapter],
    real: Real | None = None,
    *,
    passes: bool = False,
) -> tuple[Entrance, ...]:
    """Ollama's desks, over the same lists; `real` answers for its own models.

    What would change a machine is no desk's where it `passes` to the real server.
    """
    models = local.Models(offered, adapters, real or Real({}, None))
    unchanged = (
        Entrance(local.Pull(models), (local.PULL,), for_desktops=True),
        *(
            Entrance(local.Unchanged(what), (path,), tuple(methods), for_desktops=True)
            for path, (methods, what) in local.CHANGING.items()
        ),
    )
    told: Mapping[str, Desk] = {
        "/api/version": local.Version(),
        "/api/tags": local.Tags(models),
        "/api/ps": local.Running(models),
    }
    return (
        Entrance(local.Root(), ("/",), ("GET",)),
        *(Entrance(desk, (path,), ("GET",), for_desktops=True) for path, desk in told.items()),
        Entrance(local.Show(models), ("/api/show",), for_desktops=True),
        *(() if passes else unchanged),
    )


_STILL = (
    *counting(),
    *keeping(Turns(time.monotonic, most=0)),
    *ollama(Offered(Catalog({})), {}),
    _UNSERVED,
)
"""To find the door of a path needs no state."""


def speller_of(path: str, headers: Mapping[bytes, bytes] = NO_HEADERS) -> Speller:
    """Who words a failure at `path`: its door, else the protocol that the headers are of."""
    doors = (*DOORS, *_STILL)
    there = (one.door for one in doors if one.is_at(path))
    near = (one.door for one in doors if one.is_near(path))
    if door := next(chain(there, near), None):
        return door
    return next((form for by, form in _FORMS.items() if by in headers), _OPENAI)


def for_desktops(path: str) -> bool:
    """Whether programs that are made of web pages ask at `path`."""
    return any(one.for_desktops and one.speaks_at(path) for one in (*DOORS, *_STILL))


def request_at(
    where: str, body: bytes | bytearray, entrances: Iterable[Entrance] = (*DOORS, *_STILL)
) -> Any:
    """What `body` asks at a door, given by its name or by a path of it. Raises ApiError."""
    asking = [one for one in entrances if hasattr(one.door, "stream")]
    for one in asking:
        if where == one.door.name:
            return _asked(one.door, Call(body, path=one.paths[0]))
        for path in one.paths:
            if found := compile_path(path)[0].match(where):
                return _asked(one.door, Call(body, path=where, params=found.groupdict()))
    names = ", ".join(dict.fromkeys(one.door.name for one in asking))
    raise bad_request(f"There is no door {where!r}: name one of {names}, or a path.", param="door")


def _asked(door: Any, call: Call) -> Any:
    asked = door.read(call)
    if isinstance(asked, Reply):
        raise bad_request("No provider need be asked for this.")
    return asked.request


_OPENAI = OpenAIErrors()
