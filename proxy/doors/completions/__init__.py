"""OpenAI's older completions: a text that is gone on with."""

from __future__ import annotations

from proxy.doors.completions.read import Parsed, parse_request
from proxy.doors.completions.write import CompletionFold, CompletionStream, Form, new_id
from proxy.doors.door import Call, Opening
from proxy.doors.openai import Head, OpenAIErrors, body_of


class CompletionsDoor(OpenAIErrors):
    """POST /v1/completions."""

    name = "completions"

    def read(self, call: Call) -> Parsed:
        return parse_request(body_of(call))

    def stream(self, asked: Parsed, opening: Opening) -> CompletionStream:
        return CompletionStream(_form(asked, opening), include_usage=asked.include_usage)

    def fold(self, asked: Parsed, opening: Opening) -> CompletionFold:
        return CompletionFold(_form(asked, opening))


def _form(asked: Parsed, opening: Opening) -> Form:
    head = Head(id=new_id(), created=int(opening.now_s), model=asked.request.model)
    return Form(head, echo=asked.echo, choices=asked.request.n)
