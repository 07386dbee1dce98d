"""OpenAI's messages and content parts -> Ollama's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from adapters.base import is_plain
from adapters.contents import contents_of
from adapters.errors import AdapterError, ErrorKind, Scope, unsent
from adapters.events import Json
from adapters.ollama.context import ModelFacts
from adapters.ollama.errors import NAME
from adapters.translation.arguments import as_object
from adapters.translation.content import text_file
from adapters.translation.data_uris import is_base64, plain_base64, read_data_uri
from adapters.translation.results import own_id, paired
from adapters.wire.json_size import is_deeper_than
from adapters.wire.pieces import loads

MAX_ARGUMENT_DEPTH = 100  # orjson writes nothing that is nested deeper than 254


def refuse(
    message: str, param: str | None, kind: ErrorKind = ErrorKind.UNSUPPORTED
) -> AdapterError:
    """The error for a request that cannot be put into Ollama's language."""
    scope = Scope.MODEL if kind is ErrorKind.UNSUPPORTED else Scope.REQUEST
    return unsent(NAME, kind, message, scope=scope, param=param)


def native_messages(messages: Sequence[Json], facts: ModelFacts, warnings: list[str]) -> list[Json]:
    """The messages in Ollama's shape; what is lost on the way is added to `warnings`."""
    if contents_of(messages).is_plain:
        kept = list(messages)
    else:
        writer = _Writer(facts, warnings)
        native = [
            message if is_plain(message) else writer.message(message, f"messages[{i}]")
            for i, message in paired(messages, NAME, warnings)
        ]
        kept = [message for message in native if message is not None]
    if not kept:  # an empty list would only load the model
        raise refuse("there is no message to answer", "messages", ErrorKind.BAD_REQUEST)
    if {message["role"] for message in kept} == {"system"}:  # which would load it as well
        kept[-1] = {**kept[-1], "role": "user"}
        warnings.append("changed=messages.role")
    return kept


@dataclass(slots=True)
class _Writer:
    """One conversation on its way."""

    facts: ModelFacts
    warnings: list[str]

    def message(self, message: Json, where: str) -> Json | None:
        """None for a turn of the assistant that says nothing: there is none to send."""
        text, images = self._content(message.get("content"), where)
        native: Json = {"role": message["role"], "content": text}
        if images:
            native["images"] = images
        match message["role"]:
            case "assistant":
                self._add_turn(native, message)
                return native if len(native) > 2 or native["content"] else None
            case "tool":
                native["tool_name"] = message["name"]
                native["tool_call_id"] = own_id(message["tool_call_id"])
        return native

    def _add_turn(self, native: Json, message: Json) -> None:
        native["content"] = native["content"] or _text(message.get("refusal"))
        thinking = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
        if thinking:
            native["thinking"] = thinking
        if calls := message.get("tool_calls"):
            native["tool_calls"] = [self._call(call) for call in calls]

    def _call(self, call: Json) -> Json:
        function = call["function"]
        arguments = self._arguments(function.get("arguments"))
        return {
            "id": own_id(call["id"]),
            "function": {"name": function["name"], "arguments": arguments},
        }

    def _arguments(self, text: str | None) -> Json:
        """Models write this text, so what is no JSON goes on as it is, under a key of its own."""
        if not text or not text.strip():
            return {}
        try:
            value = loads(text)
        except orjson.JSONDecodeError:
            value = text
        if value is text or is_deeper_than(MAX_ARGUMENT_DEPTH, value):
            self.warnings.append("changed=tool_calls.arguments")
            return {"_raw": text}
        return as_object(value)

    def _content(self, content: Any, where: str) -> tuple[str, list[str]]:
        if content is None or isinstance(content, str):
            return content or "", []
        texts: list[str] = []
        images: list[str] = []
        for i, part in enumerate(content):
            at = f"{where}.content[{i}]"
            match part.get("type"):
                case "text" | "refusal" as kind:
                    texts.append(part[kind])
                case "image_url":
                    images.append(self._image(part["image_url"], at))
                case "input_audio":
                    images.append(self._audio(part["input_audio"], at))
                case "file":
                    texts.append(_text_file(part["file"], at))
                case _:
                    raise refuse("Ollama takes no content of this type", f"{at}.type")
        return "\n".join(texts), images

    def _image(self, image: Json, at: str) -> str:
        if self.facts.can("vision") is False:
            raise refuse("the model cannot see images", at)
        if image.get("detail") not in (None, "auto"):
            self.warnings.append("dropped=image_url.detail")
        at = f"{at}.image_url.url"
        if (found := read_data_uri(image["url"])) is None:
            raise refuse("Ollama takes content as a data: URI, not by its address", at)
        if not found.mime_type.startswith("image/"):
            raise refuse("Ollama takes images only here", at)
        return _checked(found.base64, at)

    def _audio(self, audio: Json, at: str) -> str:
        if not self.facts.can("audio"):
            raise refuse("the model is not known to hear audio", at)
        # The server takes any medium in `images` and looks at its first bytes.
        return _checked(audio["data"], f"{at}.input_audio.data")


def _text_file(file: Json, at: str) -> str:
    if not _text(file.get("file_data")):
        raise refuse("Ollama keeps no files to name by id", f"{at}.file")
    try:
        text = text_file(file)
    except UnicodeDecodeError:
        raise refuse("the file is no UTF-8 text", f"{at}.file.file_data") from None
    except ValueError:
        raise _not_base64(f"{at}.file.file_data") from None
    if text is None:
        raise refuse("Ollama takes text files only", f"{at}.file.file_data")
    return text


def _text(value: object) -> str:
    """`value` where it is the text it should be."""
    return value if isinstance(value, str) else ""


def _checked(data: str, at: str) -> str:
    if not is_base64(plain := plain_base64(data)):
        raise _not_base64(at)
    return plain


def _not_base64(at: str) -> AdapterError:
    return refuse("this is not base64", at, ErrorKind.BAD_REQUEST)
