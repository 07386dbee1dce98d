"""OpenAI's images, as far as they are made of words."""

from __future__ import annotations

from proxy.doors.door import Asked, Call, Opening, Stream
from proxy.doors.images.read import parse_request
from proxy.doors.images.write import PictureFold
from proxy.doors.openai import OpenAIErrors, parse_json


class ImagesDoor(OpenAIErrors):
    """POST /v1/images/generations."""

    name = "images"

    def read(self, call: Call) -> Asked:
        """The request in a body, checked."""
        return parse_request(parse_json(call.body))

    def stream(self, asked: Asked, opening: Opening) -> Stream:
        """There is none, and `read` never asks for one."""
        raise NotImplementedError

    def fold(self, asked: Asked, opening: Opening) -> PictureFold:
        """One object."""
        return PictureFold(int(opening.now_s))
