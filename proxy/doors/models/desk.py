"""GET /v1/models and /v1/models/{id}: one path, whose answer takes the form of who asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import orjson

from proxy.doors.door import Call
from proxy.doors.models.offered import Named, Offered
from proxy.doors.openai import OpenAIErrors, check_model_name, model_object, models_object
from proxy.doors.writing.whole import JSON_TYPE
from proxy.errors import ApiError
from proxy.reply import Reply, Speller, identified


class Form(Speller, Protocol):
    """How one protocol writes what is offered. Pure."""

    def every(self, found: Sequence[Named], call: Call) -> bytes:
        """The list, or the page of it that `call` asks for. Raises ApiError."""

    def single(self, found: Named) -> bytes: ...


class OpenAIForm(OpenAIErrors):
    """OpenAI's, in which every entry states its window, too."""

    def every(self, found: Sequence[Named], call: Call) -> bytes:
        return models_object([model_object(one.name, one.model) for one in found])

    def single(self, found: Named) -> bytes:
        return orjson.dumps(model_object(found.name, found.model))


_OPENAI = OpenAIForm()


class ModelsDesk:
    """`forms` holds the other forms by the header that asks for them; the first that fits wins.

    `usual` is the form where none does.
    """

    name = "models"

    def __init__(
        self, offered: Offered, forms: Mapping[bytes, Form], usual: Form = _OPENAI
    ) -> None:
        self._offered = offered
        self._forms = forms
        self._usual = usual
        self.refusal = usual.refusal
        self.cut = usual.cut

    async def answer(self, call: Call) -> Reply:
        form = self._form(call)
        try:
            reply = Reply(200, (JSON_TYPE,), await self._written(form, call))
        except ApiError as error:
            reply = form.refusal(error)
        return identified(form, reply, call.request_id)

    def _form(self, call: Call) -> Form:
        found = (form for by, form in self._forms.items() if by in call.headers)
        return next(found, self._usual)

    async def _written(self, form: Form, call: Call) -> bytes:
        if not (name := call.params.get("id")):  # a slash at the end names no model
            return form.every(await self._offered.every(call.app), call)
        return form.single(await self._offered.single(check_model_name(name), call.app))
