"""docs/architecture.md shows the house as it is, and every setting is told of."""

from __future__ import annotations

import re

from proxy.settings import Settings
from tests.test_rules import FILES, FLOORS, ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_whatever_it_names_is_there() -> None:
    named = re.findall(r"(?:proxy|adapters|admin|tests)/[\w./]*\w(?:/|\b)(?!<)", TEXT)

    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_its_picture_has_every_room_from_the_top_to_the_ground() -> None:
    """Of a floor of many files it names the first, or another."""
    lines = TEXT.split("```")[1].splitlines()
    places = []
    for floor in reversed(FLOORS):
        rooms = [re.compile(rf"{room.replace('.', '/')}(/|\.py)(?!\w)") for room in floor]
        found = [{i for i, line in enumerate(lines) if room.search(line)} for room in rooms]
        places.append(set().union(*found) if floor[0] in FILES else {min(one) for one in found})

    assert [len(found) for found in places] == [1] * len(FLOORS)
    assert (order := [min(found) for found in places]) == sorted(order)


def test_it_names_each_thing_that_is_defined() -> None:
    for name, file in (
        ("DOORS", "proxy/doors/__init__.py"),
        ("Adapter", "adapters/base.py"),
        ("Door", "proxy/doors/door.py"),
        ("Desk", "proxy/doors/door.py"),
        ("Endpoint", "proxy/doors/serving/endpoint.py"),
        ("in_order", "proxy/app.py"),
        ("undo_late", "proxy/gate/work.py"),
        ("undo_left", "proxy/gate/work.py"),
        ("stop_left", "proxy/gate/work.py"),
        ("stop_late", "proxy/gate/work.py"),
    ):
        assert f"`{name}`" in TEXT or f".{name}`" in TEXT, name
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(class|def|async def) {name}\b|^{name}\b", source, re.M), name


def test_every_setting_is_told_of() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = " ".join(page.read_text(encoding="utf-8") for page in pages)
    names = [
        str(field.validation_alias or f"POINTSMAN_{name.upper()}")
        for name, field in Settings.model_fields.items()
        if name != "providers"
    ]

    assert len(names) > 30
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []
