"""OpenAI's images, as far as they are made of words."""

from __future__ import annotations

from functools import partial

from proxy.doors.door import Asked, Call, InOnePiece, Opening
from proxy.doors.images.read import parse_request
from proxy.doors.images.write import pictures
from proxy.doors.openai import OpenAIErrors, body_of
from proxy.doors.writing.whole import Whole


class ImagesDoor(InOnePiece, OpenAIErrors):
    """POST /v1/images/generations."""

    name = "images"

    def read(self, call: Call) -> Asked:
        return parse_request(body_of(call))

    def fold(self, asked: Asked, opening: Opening) -> Whole:
        return Whole(partial(pictures, created=int(opening.now_s)))
