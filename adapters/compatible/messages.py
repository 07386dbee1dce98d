"""OpenAI's messages -> those that a provider takes which speaks as OpenAI does. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.base import AdapterError, ErrorKind, Json, is_plain
from adapters.contents import contents_of
from adapters.errors import unsent
from adapters.translation.arguments import arguments_text
from adapters.translation.content import text_file, texts
from adapters.translation.data_uris import plain_image
from adapters.translation.functions import function_name
from adapters.translation.results import own_id, paired


@dataclass(frozen=True, slots=True)
class Taken:
    """What a house's messages may hold, beside text; the functions are told the model.

    `names` of users, `audio` and `files` as OpenAI has them; `sees` images; `thoughts` is what the
    field is called in which thoughts go back, None where they don't.
    """

    provider: str
    says: str
    names: bool = True
    audio: bool = True
    files: bool = True
    sees: Callable[[str], bool] = lambda _model: True
    thoughts: Callable[[str], str | None] = lambda _model: None


def to_messages(
    messages: Sequence[Json], model: str, warnings: list[str], taken: Taken
) -> list[Json]:
    """Messages with the keys that are taken only, each call followed by a result for it.

    Raises AdapterError as `paired` does, and for what is not taken and cannot be left out
    (UNSUPPORTED, and where).
    """
    if contents_of(messages).is_plain:
        return list(messages)
    native: list[Json] = []
    for i, message in paired(messages, taken.provider, warnings, names=taken.names):
        if is_plain(message):
            native.append(message)
            continue
        match message["role"]:
            case "assistant":
                if said := _assistant(message, model, taken.thoughts(model)):
                    native.append(said)
            case "tool":
                native.append(_tool_result(message))
            case "user":
                native.append(_user(message, i, model, taken))
            case _:
                native.append({"role": "system", "content": flat_text(message.get("content"))})
    return native


def _assistant(message: Json, model: str, field: str | None) -> Json | None:
    """None for one that says nothing."""
    content = flat_text(message.get("content")) or flat_text(message.get("refusal"))
    calls = [_call(call, model) for call in message.get("tool_calls") or ()]
    if not content and not calls:
        return None
    result: Json = {"role": "assistant"}
    if content:
        result["content"] = content
    thoughts = message.get("reasoning") or message.get("reasoning_content")
    if isinstance(thoughts, str) and field is not None:
        result[field] = thoughts
    if calls:
        result["tool_calls"] = calls
    return result


def _call(call: Json, model: str) -> Json:
    function = call["function"]
    is_signed = "extra_content" in call and "gemini" in model  # behind whatever gateway
    return {
        **({"extra_content": call["extra_content"]} if is_signed else {}),
        "id": own_id(call["id"]),
        "type": "function",
        "function": {
            "name": function_name(function["name"]),
            "arguments": arguments_text(function["arguments"] or "{}"),
        },
    }


def _tool_result(message: Json) -> Json:
    return {
        "role": "tool",
        "tool_call_id": own_id(message["tool_call_id"]),
        "content": flat_text(message.get("content")),
    }


def _user(message: Json, i: int, model: str, taken: Taken) -> Json:
    content = message.get("content")
    own = {"name": name} if (name := message.get("name")) else {}
    if not isinstance(content, list):
        return {"role": "user", "content": content or "", **own}
    parts = [
        _part(part, f"messages[{i}].content[{j}]", model, taken) for j, part in enumerate(content)
    ]
    if all(part["type"] == "text" for part in parts):  # which some take as one text alone
        return {"role": "user", "content": "\n".join(part["text"] for part in parts), **own}
    return {"role": "user", "content": parts, **own}


def _part(part: Json, param: str, model: str, taken: Taken) -> Json:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            if not taken.sees(model):
                raise unsupported(param, "an image with this model", taken)
            shown = {"url": plain_image(url), **_detail(image.get("detail"))}
            return {"type": "image_url", "image_url": shown}
        case {"type": "file", "file": dict(file)}:
            return _file(file, param, taken)
        case {"type": "input_audio", "input_audio": dict(audio)} if taken.audio:
            return {"type": "input_audio", "input_audio": audio}
        case {"type": "input_audio"}:
            raise unsupported(param, "audio", taken)
        case _:
            raise unsupported(param, "a part of this type", taken)


def _detail(detail: object) -> Json:
    match detail:
        case "original":
            return {"detail": "high"}
        case "auto" | "low" | "high":
            return {"detail": detail}
        case _:
            return {}


def _file(file: Json, param: str, taken: Taken) -> Json:
    """A text file as text, under its name; any other as it is, where files are taken."""
    try:
        text = text_file(file)
    except ValueError:
        raise unsupported(param, "a file whose text is not UTF-8", taken) from None
    if text is not None:
        return {"type": "text", "text": text}
    if taken.files:
        return {"type": "file", "file": file}
    raise unsupported(param, "a file that is not text", taken)


def flat_text(content: object) -> str:
    """The text of a content, which may be a string, a list of parts, or nothing."""
    return content if isinstance(content, str) else "\n".join(texts(content))


def unsupported(param: str, what: str, taken: Taken) -> AdapterError:
    """The refusal of something that leaving out would make the answer wrong."""
    return unsent(
        taken.provider, ErrorKind.UNSUPPORTED, f"{taken.says} cannot take {what}", param=param
    )
