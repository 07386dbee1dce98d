"""What Bedrock takes: its service model as botocore carries it, and the rules that stand beside it.

Signatures are checked by the words of AWS's own description, not by botocore's code.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from tests.fakes.model import Json
from tests.fakes.server import RefusalError, Request, json_answer

KEY = "bedrock-api-key-of-the-tests"
ACCESS_KEY, SECRET_KEY = "AKIDOFTHETESTS", "secret-of-the-tests/+"
REGION = "eu-central-1"
STATUS = {
    "AccessDeniedException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ResourceNotFoundException": 404,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
    "SerializationException": 400,
}
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/bedrock/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def refuse(name: str, message: str) -> RefusalError:
    """An exception as Bedrock answers with it."""
    headers = (("x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/{name}/"),)
    kind = (("content-type", "application/json"),)
    return RefusalError(json_answer({"message": message}, STATUS[name], headers=headers + kind))


# -- who asks ---------------------------------------------------------------------------------


def check_who(request: Request) -> None:
    """Raises RefusalError unless the request bears the key or a good signature."""
    told = request.headers.get("authorization", "")
    if told == f"Bearer {KEY}":
        return
    if told.startswith("Bearer "):
        message = "Authentication failed: Please make sure your API Key is valid."
        raise refuse("AccessDeniedException", message)
    found = _AUTHORIZATION.fullmatch(told)
    if not found:
        raise refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
    key, day, region, names, signature = found.groups()
    if key != ACCESS_KEY or region != REGION:
        message = "The security token included in the request is invalid."
        raise refuse("UnrecognizedClientException", message)
    stamp = request.headers.get("x-amz-date", "")
    age = datetime.now(UTC) - datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if not stamp.startswith(day) or abs(age.total_seconds()) > 300:
        raise refuse("InvalidSignatureException", f"Signature expired: {stamp}")
    if not {"host", "x-amz-date"} <= set(names.split(";")) or signature != signed(
        request, names.split(";"), stamp
    ):
        message = "The request signature we calculated does not match the signature you provided."
        raise refuse("InvalidSignatureException", message)


def signed(request: Request, names: list[str], stamp: str) -> str:
    """Signature version 4. Source: docs.aws.amazon.com, "Create a signed AWS API request"."""
    path, _, query = request.target.partition("?")
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    lines = [
        request.method,
        quote(path, safe="/-._~"),
        "&".join(sorted(query.split("&"))),
        headers,
        ";".join(names),
        hashlib.sha256(request.body).hexdigest(),
    ]
    scope = f"{stamp[:8]}/{REGION}/bedrock/aws4_request"
    whole = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{SECRET_KEY}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{whole}"
    return hmac.new(key, text.encode(), "sha256").hexdigest()


# -- what is asked ----------------------------------------------------------------------------


@functools.cache
def service() -> ServiceModel:
    """Bedrock's runtime as botocore knows it."""
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))


def check_body(model: str, body: Json, operation: str) -> None:
    """Raises RefusalError for what the service model, or a rule beside it, does not take."""
    shape = service().operation_model(operation).input_shape
    try:
        params = params_of({"modelId": model, **body}, shape)
    except (binascii.Error, TypeError, ValueError, AttributeError) as error:
        raise refuse("SerializationException", str(error)) from None
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise refuse("ValidationException", report.generate_report())
    for problem in problems(params, shape):
        raise refuse("ValidationException", problem)
    for problem in _broken_rules(body):
        raise refuse("ValidationException", problem)


def params_of(value: Any, shape: Any) -> Any:
    """What a caller of the SDK would have handed in: bytes where the wire has base64."""
    match shape.type_name:
        case "structure" if not getattr(shape, "is_document_type", False):
            members = shape.members
            return {k: params_of(v, members[k]) if k in members else v for k, v in value.items()}
        case "list":
            return [params_of(one, shape.member) for one in value]
        case "map":
            return {key: params_of(one, shape.value) for key, one in value.items()}
        case "blob":
            return base64.b64decode(value, validate=True)
    return value


def problems(value: Any, shape: Any, where: str = "") -> Iterator[str]:
    """What the service model forbids and botocore leaves to the service: words and patterns."""
    match shape.type_name:
        case "structure" if not getattr(shape, "is_document_type", False):
            for key, one in value.items():
                yield from problems(one, shape.members[key], f"{where}.{key}")
        case "list":
            for at, one in enumerate(value):
                yield from problems(one, shape.member, f"{where}.{at}")
        case "map":
            for key, one in value.items():
                yield from problems(key, shape.key, where)
                yield from problems(one, shape.value, f"{where}.{key}")
        case "string":
            yield from _of_text(value, shape, where)
    size = value if isinstance(value, int | float) else len(value)
    if size > shape.metadata.get("max", size):
        yield f"Value at '{where}' is too large or too long"


def _of_text(value: str, shape: Any, where: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield f"Value '{value}' at '{where}' must satisfy enum value set: {shape.enum}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"Value at '{where}' must satisfy regular expression pattern: {pattern}"


def _broken_rules(body: Json) -> Iterator[str]:
    turns = body.get("messages") or []
    if not turns or turns[0]["role"] != "user":
        yield "A conversation must start with a user message. Try again with one that does."
    for one, other in pairwise(turns):
        if one["role"] == other["role"]:
            yield "A conversation must alternate between user and assistant roles."
    for at, turn in enumerate(turns):
        yield from _broken_turn(turn, f"messages.{at}.content")
        asked = [b["toolUse"]["toolUseId"] for b in turn["content"] if "toolUse" in b]
        after = turns[at + 1]["content"] if at + 1 < len(turns) else []
        given = [b["toolResult"]["toolUseId"] for b in after if "toolResult" in b]
        if (asked or given) and sorted(asked) != sorted(given):
            yield f"Expected toolResult blocks at messages.{at + 1}.content for the Ids: {asked}"
        if (asked or given) and "toolConfig" not in body:
            yield (
                "The toolConfig field must be defined when using toolUse and toolResult"
                " content blocks."
            )
    names = [b["document"]["name"] for t in turns for b in t["content"] if "document" in b]
    if len(set(names)) < len(names):
        yield "messages contain duplicate document names"


def _broken_turn(turn: Json, where: str) -> Iterator[str]:
    blocks = turn["content"]
    inner = [b for one in blocks if "toolResult" in one for b in one["toolResult"]["content"]]
    for at, block in enumerate([*blocks, *inner]):
        if not block.get("text", "x").strip():
            yield f"The text field in the ContentBlock object at {where}.{at} is blank."
        name = block.get("document", {}).get("name", "")
        if not re.fullmatch(r"[A-Za-z0-9()\[\]-]*( [A-Za-z0-9()\[\]-]+)*", name):
            yield f"The document file name at {where}.{at} holds what it may not"
    if any("document" in one for one in blocks) and not any("text" in one for one in blocks):
        yield f"A text block must be included when there is a document at {where}"
    if turn["role"] == "assistant" and any("image" in one or "document" in one for one in blocks):
        yield f"images and documents are the user's alone, at {where}"
