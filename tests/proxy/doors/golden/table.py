"""The table as docs/doors.md shows it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.proxy.doors.golden.chat import Chat
from tests.proxy.doors.golden.completions import Completions
from tests.proxy.doors.golden.features import FEATURES
from tests.proxy.doors.golden.gemini import Gemini
from tests.proxy.doors.golden.messages import Messages
from tests.proxy.doors.golden.ollama import OllamaChat, OllamaGenerate
from tests.proxy.doors.golden.reader import Reader
from tests.proxy.doors.golden.responses import Responses

READERS: Sequence[Reader] = (
    Chat(),
    Completions(),
    Responses(),
    Messages(),
    OllamaChat(),
    OllamaGenerate(),
    Gemini(),
)


def table() -> str:
    """One row a feature, one column a door."""
    rows = [("", *(one.title for one in READERS)), ("---",) * (len(READERS) + 1)]
    rows += [(name, *(_cell(one, name) for one in READERS)) for name in FEATURES]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(reader: Reader, feature: str) -> str:
    gap = reader.gaps.get(feature)
    return gap.words if gap else "yes"
