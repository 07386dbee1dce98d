"""Bedrock's Converse, ConverseStream, InvokeModel and its lists of models on loopback.

As strict as its service model; some models lack what real ones of their kind lack, too.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

from tests.fakes.bedrock_embed import COHERE, COHERE_4, TITAN, invoke
from tests.fakes.bedrock_rules import check_body, check_who, refuse
from tests.fakes.bedrock_wire import event
from tests.fakes.model import Json, Result, Said, Seen, say, tokens
from tests.fakes.server import Answer, FakeServer, Request, json_answer

ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123def456"
PLAIN_MODEL = "meta.toy-text-v1:0"
"""It takes no tool choice, no format, no thinking."""
MODELS: dict[str, str] = {
    "amazon.nova-lite-v1:0": "Amazon",
    "anthropic.claude-sonnet-4-5-20250929-v1:0": "Anthropic",
    PLAIN_MODEL: "Meta",
    TITAN: "Amazon",
    COHERE: "Cohere",
    COHERE_4: "Cohere",
}
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = f"eu.{CLAUDE}"
ON_DEMAND = ("amazon.nova-lite-v1:0", PLAIN_MODEL, TITAN, COHERE, COHERE_4)
ASKED = (*ON_DEMAND[:2], PROFILE, ARN)


class BedrockFake(FakeServer):
    """Both hosts in one: `/model/…/converse[-stream]`, and the lists."""

    chat_paths = ("/converse", "/converse-stream")

    def respond(self, request: Request) -> Answer:
        check_who(request)
        match request.method, request.path.split("/")[1:]:
            case "GET", ["foundation-models"]:
                return json_answer({"modelSummaries": [_row(name) for name in MODELS]})
            case "GET", ["inference-profiles"]:
                return json_answer(_profiles(request.query.get("nextToken")))
            case "POST", ["model", *model, "converse"]:
                return converse("/".join(model), request, streams=False)
            case "POST", ["model", *model, "converse-stream"]:
                return converse("/".join(model), request, streams=True)
            case "POST", ["model", *model, "invoke"]:
                return invoke("/".join(model), request)
        raise refuse("ResourceNotFoundException", "UnknownOperationException")


def _row(name: str) -> Json:
    makes = "EMBEDDING" if "embed" in name else "TEXT"
    return {
        "modelArn": f"arn:aws:bedrock:eu-central-1::foundation-model/{name}",
        "modelId": name,
        "modelName": name.partition(".")[2],
        "providerName": MODELS[name],
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": [makes],
        "responseStreamingSupported": makes == "TEXT",
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND" if name in ON_DEMAND else "INFERENCE_PROFILE"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def _profiles(token: str | None) -> Json:
    """A page each."""
    base = (
        "arn:aws:bedrock:eu-central-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0"
    )
    own = token == "second/+="
    arn = ARN if own else f"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/{PROFILE}"
    row = {
        "inferenceProfileName": "One",
        "inferenceProfileArn": arn,
        "models": [{"modelArn": base}],
        "inferenceProfileId": arn.rpartition("/")[2],
        "status": "ACTIVE",
        "type": "APPLICATION" if own else "SYSTEM_DEFINED",
    }
    return {"inferenceProfileSummaries": [row], **({} if own else {"nextToken": "second/+="})}


def converse(model: str, request: Request, *, streams: bool) -> Answer:
    """The answer of the little model, in one piece or as events."""
    if model not in ASKED:
        if model in MODELS:
            raise refuse(
                "ValidationException",
                f"Invocation of model ID {model} with on-demand throughput isn\u2019t supported."
                " Retry your request with the ID or ARN of an inference profile.",
            )
        raise refuse("ValidationException", "The provided model identifier is invalid.")
    if request.headers.get("content-type") != "application/json":
        raise refuse("SerializationException", "Expected content type application/json")
    body = request.json
    check_body(model, body, "ConverseStream" if streams else "Converse")
    _check_model(model, body)
    said = say(seen(body))
    headers = (("x-amzn-requestid", str(uuid.uuid4())),)
    if not streams:
        return json_answer(_whole(body, said), headers=headers)
    kind = (("content-type", "application/vnd.amazon.eventstream"),)
    events = tuple(event(one) for one in _events(body, said))
    return Answer(200, headers + kind, events, chunked=True)


def _check_model(model: str, body: Json) -> None:
    fields = body.get("additionalModelRequestFields") or {}
    thinks = "thinking" in fields
    if model == PLAIN_MODEL:
        lacking = [
            *(f"toolConfig.toolChoice.{one}" for one in _choice(body) if one != "auto"),
            *(["outputConfig.textFormat"] if "textFormat" in body.get("outputConfig", {}) else []),
            *(["additionalModelRequestFields.thinking"] if thinks else []),
        ]
        for field in lacking:
            message = f"This model doesn't support the {field} field. Remove {field} and try again."
            raise refuse("ValidationException", message)
    if thinks and body.get("inferenceConfig", {}).get("temperature", 1) != 1:
        message = "`temperature` may only be set to 1 when thinking is enabled."
        raise refuse("ValidationException", message)
    if thinks and {"any", "tool"} & set(_choice(body)):
        message = "Thinking may not be enabled when tool_choice forces tool use."
        raise refuse("ValidationException", message)


def _choice(body: Json) -> Json:
    return dict(body.get("toolConfig", {}).get("toolChoice") or {})


def seen(body: Json) -> Seen:
    """The request as the little model sees it."""
    turns = body["messages"]
    mine = [t for t in turns if t["role"] == "user" and any("text" in b for b in t["content"])]
    blocks = (mine or turns[:1])[-1]["content"]
    last = [block for turn in turns[-1:] for block in turn["content"] if "toolResult" in block]
    names = _names(turns)
    config = body.get("toolConfig") or {}
    choice = _choice(body)
    wanted = (choice.get("tool") or {}).get("name")
    specs = [tool["toolSpec"] for tool in config.get("tools", ()) if "toolSpec" in tool]
    form = body.get("outputConfig", {}).get("textFormat")
    inference = body.get("inferenceConfig") or {}
    return Seen(
        "".join(block.get("text", "") for block in blocks),
        images=tuple(_picture(b["image"]) for b in blocks if "image" in b),
        tools=tuple(
            (spec["name"], spec["inputSchema"]["json"])
            for spec in specs
            if wanted in (None, spec["name"])
        ),
        forced=bool({"any", "tool"} & choice.keys()),
        results=tuple(
            Result(names[b["toolResult"]["toolUseId"]], _told(b["toolResult"])) for b in last
        ),
        schema=json.loads(form["structure"]["jsonSchema"]["schema"]) if form else None,
        instructions="".join(one.get("text", "") for one in body.get("system", ())),
        thinks="thinking" in (body.get("additionalModelRequestFields") or {}),
        max_tokens=inference.get("maxTokens"),
        stop=tuple(inference.get("stopSequences") or ()),
    )


def _names(turns: list[Json]) -> dict[str, str]:
    blocks = [block for turn in turns for block in turn["content"] if "toolUse" in block]
    return {block["toolUse"]["toolUseId"]: block["toolUse"]["name"] for block in blocks}


def _told(result: Json) -> str:
    texts = [block["text"] for block in result["content"] if "text" in block]
    pictures = [_picture(block["image"]) for block in result["content"] if "image" in block]
    return " ".join([*texts, *(f"{kind} of {size} bytes" for kind, size in pictures)])


def _picture(image: Json) -> tuple[str, int]:
    return f"image/{image['format']}", len(base64.b64decode(image["source"]["bytes"]))


def _whole(body: Json, said: Said) -> Json:
    blocks: list[Json] = []
    if said.reasoning:
        thought = {"text": said.reasoning, "signature": "c2lnbmVk"}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    blocks += [{"text": said.text}] if said.text else []
    blocks += [{"toolUse": {**_call(name), "input": args}} for name, args in said.calls]
    return {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": _reason(said),
        "usage": _usage(said),
        "metrics": {"latencyMs": 7},
    }


def _events(body: Json, said: Said) -> Iterator[Json]:
    yield {"messageStart": {"role": "assistant", "p": "abcd"}}
    at = 0
    if said.reasoning:
        for piece in tokens(said.reasoning):
            yield _delta(at, {"reasoningContent": {"text": piece}})
        yield _delta(at, {"reasoningContent": {"signature": "c2lnbmVk"}})
        yield {"contentBlockStop": {"contentBlockIndex": at}}
        at += 1
    if said.text:
        for piece in tokens(said.text):
            yield _delta(at, {"text": piece})
        yield {"contentBlockStop": {"contentBlockIndex": at}}
        at += 1
    for name, arguments in said.calls:
        yield {"contentBlockStart": {"contentBlockIndex": at, "start": {"toolUse": _call(name)}}}
        text = json.dumps(arguments, ensure_ascii=False)
        for piece in ("", text[:4], text[4:]):
            yield _delta(at, {"toolUse": {"input": piece}})
        yield {"contentBlockStop": {"contentBlockIndex": at}}
        at += 1
    yield {"messageStop": {"stopReason": _reason(said), "p": "ab"}}
    yield {"metadata": {"usage": _usage(said), "metrics": {"latencyMs": 7}, "p": "abcdef"}}


def _delta(at: int, delta: Any) -> Json:
    return {"contentBlockDelta": {"contentBlockIndex": at, "delta": delta, "p": "abcdefg"}}


def _call(name: str) -> Json:
    return {"toolUseId": f"tooluse_{uuid.uuid4().hex[:22]}", "name": name}


def _reason(said: Said) -> str:
    return "tool_use" if said.calls else "max_tokens" if said.truncated else "end_turn"


def _usage(said: Said) -> Json:
    completion = said.reasoning_tokens + said.text_tokens
    return {
        "inputTokens": said.prompt_tokens,
        "outputTokens": completion,
        "totalTokens": said.prompt_tokens + completion,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    }
