"""Gemini's generateContent on loopback, in both API versions, plain and streamed."""

from __future__ import annotations

import base64
import hmac
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.fakes import gemini_embed, gemini_media
from tests.fakes.gemini_config import MODELS, Model, declarations, refuse
from tests.fakes.gemini_rules import named, parse, signature
from tests.fakes.model import FOUND, Json, Result, Said, Seen, say, tokens
from tests.fakes.server import Answer, FakeServer, Request, json_answer

KEY = "AIza-fake-key-of-the-tests"
METHOD = re.compile(r"/(v1|v1beta)/models/([^:/]+):(generateContent|streamGenerateContent)")
COUNT = re.compile(r"/(v1|v1beta)/models/([^:/]+):countTokens")
MODEL = re.compile(r"/(?:v1|v1beta)/models(?:/([^:/]+))?")
JSON_UTF8 = ("content-type", "application/json; charset=UTF-8")


class GeminiFake(FakeServer):
    """`models/{m}:generateContent`, `:streamGenerateContent`, embeddings, the list of models."""

    chat_paths = (":generateContent", ":streamGenerateContent", ":batchEmbedContents")

    def respond(self, request: Request) -> Answer:
        _check_key(request)
        if request.method == "POST" and (found := METHOD.fullmatch(request.path)):
            version, name, method = found.groups()
            if name in gemini_media.KINDS and method == "generateContent":
                return json_answer(gemini_media.made(request, name), headers=(JSON_UTF8,))
            if name not in MODELS:
                raise _no_such_model(name, version, method)
            body = parse(request, MODELS[name])
            said = say(seen(body, MODELS[name]))
            count = (body.get("generationConfig") or {}).get("candidateCount", 1)
            if method == "generateContent":
                return json_answer(_response(said, name, count), headers=(JSON_UTF8,))
            chunks = (_repeated(chunk, count) for chunk in _chunks(said, name))
            return _stream(list(chunks), sse=request.query.get("alt") == "sse")
        if request.method == "POST" and (found := COUNT.fullmatch(request.path)):
            return json_answer(_counted(request, *found.groups()), headers=(JSON_UTF8,))
        if request.method == "POST" and (found := gemini_embed.METHOD.fullmatch(request.path)):
            version, name, method = found.groups()
            if name not in gemini_embed.MODELS:
                raise _no_such_model(name, version, method)
            return json_answer(gemini_embed.embed(request, name, method), headers=(JSON_UTF8,))
        if request.method == "GET" and (found := MODEL.fullmatch(request.path)):
            return _models(found[1])
        raise refuse(
            "The requested URL was not found on this server.", status=404, word="NOT_FOUND"
        )


def _counted(request: Request, version: str, name: str) -> Json:
    """The tokens of a whole request, which names its model once more."""
    if name not in MODELS:
        raise _no_such_model(name, version, "countTokens")
    inner = dict(request.json["generateContentRequest"])
    if inner.pop("model", None) != f"models/{name}":
        raise refuse("The model does not match the one in the path.")
    body = parse(replace(request, body=json.dumps(inner).encode()), MODELS[name])
    return {"totalTokens": say(seen(body, MODELS[name])).prompt_tokens}


def _check_key(request: Request) -> None:
    key = request.headers.get("x-goog-api-key")
    if key is None or "key" in request.query:
        message = (
            "Method doesn't allow unregistered callers (callers without established identity)."
        )
        raise refuse(message, status=403, word="PERMISSION_DENIED")
    if not hmac.compare_digest(key, KEY):
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
        }
        raise refuse("API key not valid. Please pass a valid API key.", details=[info])


def _no_such_model(name: str, version: str, method: str) -> Exception:
    return refuse(
        f"models/{name} is not found for API version {version}, or is not supported for {method}. "
        "Call ListModels to see the list of available models and their supported methods.",
        status=404,
        word="NOT_FOUND",
    )


def _models(name: str | None) -> Answer:
    if name is None:
        names = (*MODELS, *gemini_embed.MODELS)
        return json_answer({"models": [_model(one) for one in names]}, headers=(JSON_UTF8,))
    if name not in (*MODELS, *gemini_embed.MODELS):
        raise _no_such_model(name, "v1beta", "generateContent")
    return json_answer(_model(name), headers=(JSON_UTF8,))


def _model(name: str) -> Json:
    if name in gemini_embed.MODELS:
        return {
            "name": f"models/{name}",
            "version": "001",
            "displayName": name,
            "inputTokenLimit": 2048,
            "outputTokenLimit": 1,
            "supportedGenerationMethods": gemini_embed.METHODS,
        }
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "thinking": MODELS[name].thinks,
    }


# -- in ---------------------------------------------------------------------------------------


def seen(body: Json, model: Model) -> Seen:
    """The request as the little model sees it."""
    contents = body["contents"]
    last = max((i for i, c in enumerate(contents) if _has_words(c)), default=0)
    parts = contents[last]["parts"]
    config = body.get("generationConfig") or {}
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = calling.get("allowedFunctionNames")
    tools = [d for d in declarations(body) if not allowed or d["name"] in allowed]
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    thinking = config.get("thinkingConfig") or {}
    system = body.get("systemInstruction") or {}
    return Seen(
        "".join(part["text"] for part in parts if "text" in part),
        tuple(_blob(part["inlineData"]) for part in parts if "inlineData" in part),
        () if calling.get("mode") == "NONE" else tuple((d["name"], _parameters(d)) for d in tools),
        forced=calling.get("mode") == "ANY",
        results=tuple(_results(contents[last:])),
        schema=schema,
        wants_json=config.get("responseMimeType") == "application/json" and schema is None,
        instructions="\n".join(part.get("text", "") for part in system.get("parts") or ()),
        thinks=model.thinks and bool(thinking.get("includeThoughts")),
        max_tokens=config.get("maxOutputTokens"),
        stop=tuple(config.get("stopSequences") or ()),
        searches=any("googleSearch" in tool for tool in body.get("tools") or ()),
    )


def _has_words(content: Json) -> bool:
    return content["role"] == "user" and any("functionResponse" not in p for p in content["parts"])


def _blob(blob: Json) -> tuple[str, int]:
    return blob["mimeType"], len(base64.b64decode(blob["data"]))


def _parameters(declaration: Json) -> Json:
    found = declaration.get("parametersJsonSchema") or declaration.get("parameters")
    return dict(found) if found else {"type": "object"}


def _results(contents: Sequence[Json]) -> Iterator[Result]:
    for content in contents:
        for answer in named(content, "functionResponse"):
            response = answer["response"]
            told = response.get("output", response) if len(response) == 1 else response
            text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
            yield Result(answer["name"], text)


# -- out --------------------------------------------------------------------------------------


def _repeated(frame: Json, count: int) -> Json:
    """The same with so many candidates, which all say the same."""
    [candidate] = frame["candidates"]
    return {**frame, "candidates": [{**candidate, "index": i} for i in range(count)]}


def _response(said: Said, name: str, count: int) -> Json:
    parts = [*_thought(said.reasoning), *([] if said.calls else [{"text": said.text}])]
    parts += _call_parts(said, name)
    frame = _frame(said, name, parts, finish="MAX_TOKENS" if said.truncated else "STOP")
    return _repeated(frame, count)


def _chunks(said: Said, name: str) -> Iterator[Json]:
    for token in tokens(said.reasoning):
        yield _frame(said, name, _thought(token))
    for token in tokens(said.text):
        yield _frame(said, name, [{"text": token}])
    for part in _call_parts(said, name):
        yield _frame(said, name, [part])
    yield _frame(said, name, [{"text": ""}], finish="MAX_TOKENS" if said.truncated else "STOP")


def _thought(text: str) -> list[Json]:
    return [{"text": text, "thought": True}] if text else []


def _call_parts(said: Said, name: str) -> list[Json]:
    """The calls; the first alone is signed, and only Gemini 3 gives ids."""
    parts: list[Json] = []
    for function, args in said.calls:
        part: Json = {"functionCall": {"name": function, "args": args}}
        if MODELS[name].is_third:
            part["functionCall"]["id"] = uuid.uuid4().hex[:8]
        if MODELS[name].thinks and not parts:
            part["thoughtSignature"] = signature(function, args)
        parts.append(part)
    return parts


def _frame(said: Said, name: str, parts: list[Json], finish: str | None = None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    usage: Json = {"promptTokenCount": said.prompt_tokens}
    if finish:
        candidate["finishReason"] = finish
        usage["candidatesTokenCount"] = said.text_tokens
        if said.searched:
            candidate["groundingMetadata"] = _grounding(said)
    if said.reasoning:
        usage["thoughtsTokenCount"] = said.reasoning_tokens
    usage["totalTokenCount"] = sum(usage.values())
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": name,
        "responseId": uuid.uuid4().hex[:22],
    }


def _grounding(said: Said) -> Json:
    """The whole text rests on what was found; places are counted in bytes."""
    segment = {"endIndex": len(said.text.encode()), "text": said.text}
    return {
        "webSearchQueries": ["the news"],
        "groundingChunks": [{"web": FOUND}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    }


def _stream(chunks: list[Json], *, sse: bool) -> Answer:
    texts = [json.dumps(chunk, ensure_ascii=False).encode() for chunk in chunks]
    if sse:
        content_type = ("content-type", "text/event-stream")
        return Answer(200, (content_type,), tuple(b"data: %b\r\n\r\n" % t for t in texts), True)
    return Answer(200, (JSON_UTF8,), (b"[" + b",\r\n".join(texts) + b"]",), chunked=True)
