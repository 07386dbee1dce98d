"""The rules of the layout, read off the source: who may import what, and how long things may be."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from adapters import PRESETS, REGISTRY
from adapters.base import AdapterError, ErrorKind
from proxy.errors import ApiError
from tests.sources import ROOT, Source, run_at_start

PACKAGES = ("adapters", "proxy", "admin")
NAMES = [name for name in REGISTRY if name != "openai"]
"""That one is the name of what clients speak as well."""
SDKS = {
    "groq": "groq",
    "google": "gemini",
    "ollama": "ollama",
    "xllamacpp": "embedded",
    "botocore": "bedrock",
}
"""Top-level packages of the SDKs, and whose they are."""

FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "adapters.base",
        "adapters.child",
        "adapters.configured",
        "adapters.contents",
        "adapters.errors",
        "adapters.events",
        "adapters.memory",
        "adapters.tasks",
        "adapters.upstream",
    ),
    ("adapters.wire",),
    ("adapters.refusals", "adapters.translation"),
    ("adapters.kind",),
    ("adapters.compatible",),
    tuple(f"adapters.{name}" for name in REGISTRY),
    ("adapters",),
    (
        "proxy.urls",
        "proxy.settings",
        "proxy.providers",
        "proxy.background",
        "proxy.clocks",
        "proxy.log",
        "proxy.redact",
        "proxy.errors",
        "proxy.reply",
        "proxy.candidate",
        "proxy.figures",
        "proxy.private_files",
        "proxy.proof",
    ),
    ("proxy.upstream", "proxy.gate", "proxy.limits"),
    ("proxy.routing.pictures", "proxy.routing.answers"),
    ("proxy.routing.operations",),
    ("proxy.routing.planning",),
    ("proxy.routing",),
    ("proxy.store.base", "proxy.store.schema"),
    ("proxy.store.kept", "proxy.store.usage"),
    ("proxy.store.keys",),
    ("proxy.store.engines",),
    ("proxy.store",),
    ("proxy.cluster",),
    ("proxy.doors.frames", "proxy.doors.reading", "proxy.doors.writing"),
    ("proxy.doors", "proxy.telemetry"),
    ("proxy.doors.serving",),
    ("proxy.doors.open",),
    ("proxy.console",),
    ("admin",),
    ("proxy.parts",),
    ("proxy.app",),
    ("proxy.command",),
    ("proxy.server",),
    ("proxy.workers",),
    ("proxy.__main__",),
)
"""The house from the ground up: a file may import what stands below it, or in its own room."""


SOURCES = [Source(path) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
ADAPTERS = [source for source in SOURCES if source.package == "adapters"]
OTHERS = [source for source in SOURCES if source.package != "adapters"]


def test_the_sources_are_found() -> None:
    assert {source.package for source in SOURCES} == set(PACKAGES)
    assert {source.provider for source in ADAPTERS} >= set(REGISTRY)


# 0. What stands below does not know what stands above


ROOMS = tuple((name, at) for at, floor in enumerate(FLOORS) for name in floor)
FILES = frozenset(source.module for source in SOURCES if source.path.name != "__init__.py")


def _place(module: str) -> tuple[str, int]:
    """The room of a module and its floor: that with the longest name that it begins with.

    Files that are listed by their own names are one room with the others of their floor.
    """
    found = [place for place in ROOMS if f"{module}.".startswith(f"{place[0]}.")]
    room, floor = max(found, key=lambda place: len(place[0]))
    return f"floor {floor}" if room in FILES else room, floor


def _imported() -> Iterator[tuple[str, str]]:
    """Pairs of modules of ours, the first of which imports the second."""
    modules = {source.module for source in SOURCES}
    for source in SOURCES:
        for name in source.imports():
            found = name if name in modules else name.rpartition(".")[0]
            if found in modules and found != "proxy":
                yield source.module, found


def test_no_import_runs_upwards() -> None:
    upwards = []
    for one, other in _imported():
        (room, floor), (other_room, other_floor) = _place(one), _place(other)
        if other_floor >= floor and other_room != room:
            upwards.append((one, other))

    assert upwards == []


def test_no_two_files_import_each_other() -> None:
    """Nor does any lead back to itself over others; imports for type checkers count, too."""
    below: dict[str, set[str]] = {}
    for one, other in _imported():
        below.setdefault(one, set()).add(other)

    assert [one for one in below if one in _reached(below, one)] == []


def _reached(below: Mapping[str, set[str]], start: str) -> set[str]:
    """All that is imported by a module, by what that imports, and so on."""
    reached: set[str] = set()
    left = [start]
    while left:
        fresh = below.get(left.pop(), set()) - reached
        reached |= fresh
        left += fresh
    return reached


# 1. Adapters know neither the server nor each other, and each its own SDK alone


def test_adapters_know_nothing_of_the_server() -> None:
    for source in ADAPTERS:
        banned = ("starlette", "uvicorn", "tenacity", "sqlmodel", "sqlalchemy", "proxy", "admin")

        assert [name for name in source.imports() if name.split(".")[0] in banned] == []


def test_no_adapter_imports_another() -> None:
    for source in ADAPTERS:
        if source.name == "adapters/__init__.py":
            continue
        for name in source.imports_any_of("adapters"):
            owner = next((one for one in REGISTRY if one == name.split(".")[1]), None)
            assert owner in (None, source.provider), name


def test_only_its_adapter_imports_an_sdk() -> None:
    for source in SOURCES:
        for name in source.imports():
            owner = SDKS.get(name.split(".")[0])
            assert owner in (None, source.provider), name


def test_no_sdk_is_imported_with_its_adapter() -> None:
    for source in SOURCES:
        found = {name.split(".")[0] for name in source.imports(at_start_only=True)}

        assert not found & SDKS.keys()


SLOW = frozenset({"sqlmodel", "sqlalchemy", "alembic", "openai", "opentelemetry", "valkey"})


def test_nothing_slow_is_imported_at_the_start() -> None:
    """The SDKs alone cost 0.7 s and 44 MB; the server listens before anyone needs them."""
    code = "import proxy.server, sys; print(*{name.split('.')[0] for name in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert not set(found.stdout.split()) & {*SDKS, *SLOW}


# 2. The server knows no provider


def test_the_server_names_no_provider() -> None:
    """But for a door whose protocol bears a provider's name: in its own folder that is the name of
    what is spoken there, whoever answers."""
    for source in OTHERS:
        spoken = source.name.removeprefix("proxy/doors/").partition("/")[0]
        names = [name for name in NAMES if name != spoken]
        word = re.compile(rf"\b({'|'.join(names)})\b", re.IGNORECASE)

        assert [text for text in source.texts() if word.search(text) or text in PRESETS] == []
        rooms = {name.split(".")[1] for name in source.imports_any_of("adapters")}
        assert rooms.isdisjoint(REGISTRY), source.name


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((ROOT / "admin").rglob("*")) if path.suffix in (".html", ".js")],
    ids=lambda path: path.name,
)
def test_the_page_names_no_provider(path: Path) -> None:
    word = re.compile(rf"\b({'|'.join(NAMES)})\b", re.IGNORECASE)

    assert word.findall(path.read_text(encoding="utf-8")) == []


# 3. Each matter has one home

RESPONSE_FIELDS = frozenset(
    {
        "chat.completion",
        "chat.completion.chunk",
        "choices",
        "completion_tokens",
        "delta",
        "finish_reason",
        "prompt_tokens",
        "reasoning_content",
        "system_fingerprint",
        "total_tokens",
    }
)


def test_only_the_writers_of_doors_spell_the_fields_of_answers() -> None:
    for source in OTHERS:
        if not re.fullmatch(r"proxy/doors/(openai|[a-z]+/(write|output|objects))\.py", source.name):
            assert RESPONSE_FIELDS.isdisjoint(source.texts()), source.name


@pytest.mark.parametrize(
    ("module", "home"),
    [("sqlmodel", "proxy/store/engines/tables.py"), ("tenacity", "proxy/routing/pause.py")],
)
def test_a_library_is_known_in_one_place(module: str, home: str) -> None:
    assert [source.name for source in SOURCES if source.imports_any_of(module)] == [home]


# 4. The page stands apart


@pytest.mark.parametrize(
    "source", [source for source in SOURCES if source.package == "admin"], ids=lambda one: one.name
)
def test_the_page_uses_little_of_the_server(source: Source) -> None:
    used = {name.rpartition(".")[0] for name in source.imports_any_of("proxy", "adapters")}

    assert used <= PAGE_MAY_USE


PAGE_MAY_USE = frozenset(
    {
        "proxy.cluster.logins",
        "proxy.console.console",
        "proxy.console.kept",
        "proxy.console.ledger",
        "proxy.console.stock",
        "proxy.console.team",
        "proxy.gate.keys",
        "proxy.store.keys",
        "proxy.store.keys.team_keys",
    }
)


def test_only_the_composition_root_imports_the_page() -> None:
    found = [
        source.name
        for source in SOURCES
        if source.package != "admin" and source.imports_any_of("admin")
    ]

    assert found == ["proxy/app.py", "proxy/parts.py"]


# 5. No hidden state

MAKERS = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter"}
)
WRITABLE = MAKERS | {"Json", "MutableMapping", "MutableSequence", "MutableSet", "Any"}


def _is_mutable(value: ast.expr | None) -> bool:
    match value:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Call(ast.Name(name)) | ast.Call(ast.Attribute(attr=name)):
            return name in MAKERS
        case _:
            return False


def _is_writable(annotation: ast.expr) -> bool:
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return not isinstance(outer, ast.Name) or outer.id in WRITABLE


def test_nothing_at_the_top_of_a_module_can_change() -> None:
    """A list, dict or set up there must be declared as one that nobody may write to."""
    for source in SOURCES:
        for statement in run_at_start(source.tree):
            match statement:
                case ast.Assign(value=value, targets=[ast.Name("__all__")]):
                    continue
                case ast.Assign(value=value):
                    assert not _is_mutable(value), f"{source.name}:{statement.lineno}"
                case ast.AnnAssign(annotation=annotation, value=value) if _is_mutable(value):
                    assert not _is_writable(annotation), f"{source.name}:{statement.lineno}"


def test_no_function_writes_to_its_module() -> None:
    for source in SOURCES:
        assert [node for node in ast.walk(source.tree) if isinstance(node, ast.Global)] == []


def test_no_error_is_changed_after_it_was_made() -> None:
    """Who passes one on makes another of it; others may hold the first, or have shown it."""
    fields = {*vars(AdapterError(ErrorKind.SERVER, "", provider="")), *vars(ApiError(500, ""))}
    for source in SOURCES:
        for node in ast.walk(source.tree):
            match node:
                case ast.Attribute(ast.Name(whose), attr, ast.Store()) if attr in fields:
                    is_error = re.fullmatch(r"(\w+_)?(error|failure|met|exc)", whose)
                    assert not is_error, f"{source.name}:{node.lineno}"


def test_the_environment_is_read_in_one_place() -> None:
    for source in SOURCES:
        if source.name != "proxy/settings.py":
            for node in ast.walk(source.tree):
                read = isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT
                assert not read, f"{source.name}:{node.lineno}"
            assert [name for name in source.imports() if name.split(".")[-1] in ENVIRONMENT] == []


ENVIRONMENT = frozenset({"environ", "environb", "getenv", "getproxies", "proxy_bypass"})


# How long things may be

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_a_file_is_read_in_one_sitting() -> None:
    for source in SOURCES:
        assert len(source.path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


def test_no_function_is_long() -> None:
    for source in SOURCES:
        long = [node.name for node in source.functions() if _lines(node) > MAX_FUNCTION_LINES]

        assert long == []


def test_most_functions_are_short() -> None:
    lines = sorted(_lines(node) for source in SOURCES for node in source.functions())

    assert statistics.median(lines) <= 12
    assert lines[int(len(lines) * 0.9)] <= 30


def test_there_is_as_much_test_as_code() -> None:
    def count(paths: Iterator[Path]) -> int:
        return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)

    code = count(source.path for source in SOURCES)

    assert count((ROOT / "tests").rglob("*.py")) >= code
