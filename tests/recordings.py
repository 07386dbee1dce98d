"""The recorded exchanges beside the project: found, loaded, and named for `parametrize`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "recordings"


@dataclass(frozen=True)
class Recording:
    """One exchange: `request` and `response` as the recordings' README describes them."""

    id: str
    provider: str
    kind: str
    model: str
    tags: tuple[str, ...]
    fidelity: str
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_stream(self) -> bool:
        content_type = self.headers.get("content-type", "")
        return self.kind.endswith("-stream") or "ndjson" in content_type


def load(provider: str) -> list[Recording]:
    """All recordings of a provider, by id; empty where the folder is not there.

    In CI its absence is an error: there the suite must not pass by skipping.
    """
    if not FOLDER.is_dir():
        if os.environ.get("CI"):
            raise FileNotFoundError(FOLDER)
        return []
    return [_read(path) for path in sorted((FOLDER / provider).glob("*.json"))]


def _read(path: Path) -> Recording:
    data = json.loads(path.read_text(encoding="utf-8"))
    return Recording(
        id=data["id"],
        provider=data["provider"],
        kind=data["kind"],
        model=data["model"],
        tags=tuple(data["tags"]),
        fidelity=data["source"]["fidelity"],
        request=data["request"],
        status=data["response"]["status"],
        headers=data["response"]["headers"],
        body=data["response"]["body"].encode("utf-8"),
    )
