"""Names at Bedrock: of models, of tools, of calls, of documents. Pure."""

from __future__ import annotations

import functools
import hashlib
import re
from urllib.parse import quote

from adapters.bedrock.settings import KIND
from adapters.errors import AdapterError, ErrorKind, no_such_model, unsent

MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,2047}", re.ASCII)
_CALL = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_AREA = re.compile(r"^(?:[a-z]{2}|us-gov|apac|global)\.")
_VERSION = re.compile(r"-(\d+)(?:-(\d{1,2}))?(?!\d)")
_UNTITLED = re.compile(r"[^A-Za-z0-9()\[\]-]+", re.ASCII)
MAX_TITLE = 180


def refused(
    message: str, param: str | None, kind: ErrorKind = ErrorKind.UNSUPPORTED
) -> AdapterError:
    """The error of a request that cannot be put into Bedrock's words."""
    return unsent(KIND, kind, message, param=param)


def model_path(model: str, operation: str) -> str:
    """Where a model is asked; an ARN is one step of the path. Raises AdapterError."""
    if not MODEL.fullmatch(model) or ".." in model:
        raise no_such_model(KIND)
    return f"/model/{quote(model, safe='-._~')}/{operation}"


@functools.lru_cache(maxsize=256)
def bare(model: str) -> str:
    """The model without where it runs: `anthropic.claude-…` of an ARN, of `eu.anthropic.claude-…`.

    Behind an ARN with an id of the owner's own no model can be told.
    """
    return _AREA.sub("", model.rpartition("/")[2])


def family(model: str) -> str:
    """Whose model it is: `anthropic`."""
    return bare(model).partition(".")[0]


@functools.lru_cache(maxsize=256)
def version(model: str) -> tuple[int, int] | None:
    """(4, 5) of `claude-sonnet-4-5-20250929`; None where the name shows none."""
    found = next((one for one in _VERSION.finditer(bare(model)) if len(one[1]) < 3), None)
    return (int(found[1]), int(found[2] or 0)) if found else None


def call_id(name: str) -> str:
    """The id of a call, as Bedrock takes it; the same for the same call."""
    return name if _CALL.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:32]


def title(file_name: str) -> str:
    """What a document may be called."""
    stem = file_name.rpartition("/")[2].rpartition("\\")[2]
    stem = stem.rpartition(".")[0] or stem
    return _UNTITLED.sub(" ", stem).strip()[:MAX_TITLE] or "document"
