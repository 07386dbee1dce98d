"""A conversation goes on by one turn, or texts are gone on with: what nearly all requests want."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping

from msgspec.structs import replace

from adapters.base import Adapter, Capabilities, ChatRequest, Event, NativeCall
from adapters.contents import contents_of
from adapters.tasks import CompletionRequest
from adapters.translation.cached_content import CACHE, names_cache
from proxy.errors import bad_request
from proxy.routing.answers.first import until_content
from proxy.routing.answers.jsontext import only_json
from proxy.routing.operations.fanout import fan_out
from proxy.routing.operations.operation import Calls
from proxy.routing.pictures.conversion import Album, fitted
from proxy.routing.pictures.fetching import ImageFetcher, ImageFetchError


class Chat:
    name = "chat"
    model = None
    pin = None

    def needs(self, request: ChatRequest) -> Mapping[str, str]:
        """Tools, media, probabilities of tokens, and contents that somebody keeps."""
        needs: dict[str, str] = {}
        if request.tools and request.tool_choice != "none":
            needs["tools"] = "tools"
        if request.params.get("logprobs"):
            needs["logprobs"] = "logprobs"
        if request.extensions and names_cache(request.extensions):
            needs["caches"] = CACHE
        for kind, places in contents_of(request.messages).media.items():
            at, place = places[0]
            needs[NEED_OF_PART[kind]] = f"messages[{at}].content[{place}]"
        return needs

    def tokens(self, request: ChatRequest) -> tuple[int, int]:
        """At four characters each."""
        return math.ceil(contents_of(request.messages).characters / 4), request.max_tokens or 0

    def may_take_more(self, request: ChatRequest) -> bool:
        """Several choices."""
        return request.n > 1

    def calls(self, request: ChatRequest, can: Capabilities) -> int:
        """As many as choices, where a model gives but one at a time."""
        gives_all = can.n_stream if request.stream else can.n
        return 1 if gives_all else request.n

    def native(self, adapter: Adapter, request: ChatRequest) -> NativeCall:
        return adapter.to_native(request)

    async def prepared(
        self, request: ChatRequest, adapter: Adapter, images: ImageFetcher, album: Album
    ) -> ChatRequest:
        """Images come as bytes where they must, and as a kind that is taken."""
        messages = request.messages
        if not contents_of(messages).media:
            return request
        take = not adapter.capabilities(request.model).image_urls
        try:
            messages = await images.inline(messages, album.fetched, images=take)
        except ImageFetchError as error:
            raise bad_request(error.message, param=error.param, code=error.code) from None
        messages = await fitted(messages, adapter, request.model, album, images.painter)
        return request if messages is request.messages else replace(request, messages=messages)

    def events(
        self, adapter: Adapter, request: ChatRequest, calls: Calls
    ) -> AsyncGenerator[list[Event], None]:
        """Several calls are merged; JSON that was asked for in words is looked for in the text."""
        if calls.count > 1:
            events = fan_out(adapter, request, calls.spent, one_first=calls.one_first)
        else:
            events = adapter.chat(request)
        if request.response_format is not None:
            events = only_json(events, request.response_format, adapter.name)
        return events

    first = staticmethod(until_content)


class Complete(Chat):
    """Texts are gone on with: a chat's turn for each of them."""

    name = "text_completion"

    def needs(self, request: CompletionRequest) -> Mapping[str, str]:  # type: ignore[override]
        """A text behind the one that is wanted is not for every model."""
        needs = super().needs(request)
        return needs if request.suffix is None else {**needs, "insert": "suffix"}

    def tokens(self, request: CompletionRequest) -> tuple[int, int]:  # type: ignore[override]
        """Of each call, as the limits count them: the longest prompt's."""
        longest = max(map(len, request.prompts))
        return math.ceil((longest + len(request.suffix or "")) / 4), request.max_tokens or 0

    def may_take_more(self, request: CompletionRequest) -> bool:  # type: ignore[override]
        """Several prompts, or choices."""
        return len(request.prompts) > 1 or super().may_take_more(request)

    def calls(self, request: CompletionRequest, can: Capabilities) -> int:  # type: ignore[override]
        """Nobody takes several prompts in one call."""
        count = len(request.prompts)
        return count * request.n if count > 1 else super().calls(request, can)


NEED_OF_PART: Mapping[str, str] = {"image_url": "images", "input_audio": "audio", "file": "files"}
"""By the type of a part: the field of Capabilities."""


CHAT = Chat()
