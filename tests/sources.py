"""The files of the project, read as Python's own parser reads them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Source:
    """One file of the project; `name` is its path from the root."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def package(self) -> str:
        return self.name.partition("/")[0]

    @property
    def provider(self) -> str | None:
        """The provider whose file this is: adapters/groq/request.py."""
        folder = self.path.parent
        return folder.name if folder.parent == ROOT / "adapters" else None

    @property
    def module(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    def imports(self, *, at_start_only: bool = False) -> Iterator[str]:
        """The full names of everything imported: `a.b.c` for `from a.b import c`."""
        for node in run_at_start(self.tree) if at_start_only else ast.walk(self.tree):
            match node:
                case ast.Import(names):
                    yield from (alias.name for alias in names)
                case ast.ImportFrom(module, names, 0):
                    yield from (f"{module}.{alias.name}" for alias in names)
                case ast.ImportFrom():
                    pytest.fail(f"{self.name} imports relatively")

    def imports_any_of(self, *modules: str) -> list[str]:
        return [found for found in self.imports() if found.startswith(inside(modules))]

    def texts(self) -> Iterator[str]:
        """Every string of the code but docstrings and those that stand alone."""
        alone = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(self.tree):
            match node:
                case ast.Constant(str(text)) if id(node) not in alone:
                    yield text

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def inside(modules: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{module}." for module in modules)


def run_at_start(tree: ast.AST) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported; not those for type checkers."""
    for child in ast.iter_child_nodes(tree):
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                continue
            case ast.stmt():
                yield child
        yield from run_at_start(child)
