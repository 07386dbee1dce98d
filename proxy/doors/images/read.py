"""A client's body -> PictureRequest, checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapters.base import Json
from adapters.tasks import PictureRequest
from proxy.doors.door import Asked
from proxy.doors.openai import check_model_name
from proxy.doors.reading.checks import checked, flag, out_of_range, string, whole
from proxy.errors import bad_request

MAX_PROMPT = 32_000
MAX_PICTURES = 10
KNOWN = frozenset(
    {"model", "prompt", "n", "size", "response_format", "stream", "user", "pointsman"}
)
SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
ASPECTS: Mapping[str, float] = {
    "1:1": 1,
    "2:3": 2 / 3,
    "3:2": 3 / 2,
    "3:4": 3 / 4,
    "4:3": 4 / 3,
    "9:16": 9 / 16,
    "16:9": 16 / 9,
}


def parse_request(data: Json) -> Asked:
    data = {name: value for name, value in data.items() if value is not None}
    model = check_model_name(data.get("model", "default"))
    if not (prompt := checked(data, "prompt", string)):
        raise bad_request("You must provide a prompt.", param="prompt")
    if len(prompt) > MAX_PROMPT:
        raise out_of_range("prompt", f"at most {MAX_PROMPT} characters")
    n = checked(data, "n", whole(1, MAX_PICTURES)) or 1
    if checked(data, "response_format", string) not in (None, "b64_json"):
        raise out_of_range("response_format", "b64_json: no picture is kept for a URL to lead to")
    if checked(data, "stream", flag):
        raise out_of_range("stream", "false: a picture comes whole")
    request = PictureRequest(
        model=model,
        prompt=prompt,
        n=n,
        aspect=_aspect(size := checked(data, "size", string)),
        size=size if size != "auto" else None,
        dropped=tuple(str(name)[:32] for name in data if name not in KNOWN),
    )
    return Asked(request, own=data.get("pointsman"))


def _aspect(size: str | None) -> str | None:
    """The nearest of the forms that there are."""
    if size in (None, "auto"):
        return None
    found = SIZE.fullmatch(size or "")
    if found is None:
        raise out_of_range("size", "such as 1024x1024, or auto")
    wanted = int(found[1]) / int(found[2])
    return min(ASPECTS, key=lambda name: abs(ASPECTS[name] - wanted))
