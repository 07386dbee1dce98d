"""Names at Gemini: of models, whose generation decides how they think, of functions, of voices."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping

from adapters.errors import no_such_model
from adapters.gemini.errors import NAME

MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
LATEST = re.compile(r"gemini-.*latest")
FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

VOICES: Mapping[str, str] = {
    "alloy": "Kore",
    "ash": "Orus",
    "ballad": "Iapetus",
    "cedar": "Charon",
    "coral": "Aoede",
    "echo": "Puck",
    "fable": "Umbriel",
    "marin": "Leda",
    "nova": "Zephyr",
    "onyx": "Fenrir",
    "sage": "Sulafat",
    "shimmer": "Despina",
    "verse": "Algieba",
}
OWN_VOICES = frozenset({
    *VOICES.values(), "Achernar", "Achird", "Algenib", "Alnilam", "Autonoe", "Callirrhoe",
    "Enceladus", "Erinome", "Gacrux", "Laomedeia", "Pulcherrima", "Rasalgethi", "Sadachbia",
    "Sadaltager", "Schedar", "Vindemiatrix", "Zubenelgenubi",
})  # fmt: skip
ANY_VOICE = "Kore"


def model_id(model: str) -> str:
    """The model's id as it stands in the path. Raises AdapterError for what could not be one.

    A `/` would lead to another resource (`tunedModels/x`), a `:` to another method.
    """
    name = model.removeprefix("models/")
    if not MODEL.fullmatch(name) or ".." in name or "/" in name or ":" in name:
        raise no_such_model(NAME)
    return name


@functools.lru_cache(maxsize=256)
def version(model: str) -> tuple[int, int] | None:
    """(2, 5) of `gemini-2.5-flash`; None where the name shows none (`gemini-flash-latest`)."""
    found = VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


NEWEST = (99, 0)


def generation(model: str) -> tuple[int, int]:
    """The version to go by: a name such as `gemini-flash-latest` means the newest there is."""
    return version(model) or (NEWEST if LATEST.fullmatch(model) else (0, 0))


def wants_signatures(model: str) -> bool:
    """Whether the model refuses its own function calls without their thought signature."""
    return (version(model) or (0, 0)) >= (3, 0)


def function_name(name: str) -> str:
    """The name itself where Gemini takes it, else one that it takes and that no other name gets."""
    if FUNCTION.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"_{re.sub('[^A-Za-z0-9_.-]', '_', name)[:50]}_{digest}"
