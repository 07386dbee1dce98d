"""The inside of uvicorn that we stand on is written down, and is there."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy import server
from proxy.gate import protocol
from proxy.gate.internals import STANDS_ON, missing


def test_all_of_it_is_there() -> None:
    assert missing(STANDS_ON) == []


def test_what_another_version_lacks_is_named() -> None:
    other = {HttpToolsProtocol: "cycle gone_tomorrow", uvicorn.Server: "startup _nor_this"}

    assert missing(other) == ["HttpToolsProtocol.gone_tomorrow", "Server._nor_this"]


@pytest.mark.parametrize(
    ("module", "owner", "name"),
    [(protocol, HttpToolsProtocol, "Protocol"), (server, uvicorn.Server, "Server")],
)
def test_all_that_is_used_is_written_down(module: ModuleType, owner: type, name: str) -> None:
    tree = ast.parse(inspect.getsource(module))
    [ours] = [one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name]
    defined = {one.name for one in ast.walk(ours) if isinstance(one, ast.FunctionDef)}
    used = {
        one.attr
        for one in ast.walk(ours)
        if isinstance(one, ast.Attribute) and ast.unparse(one.value) in ("self", "super()")
    }
    assigned = {
        one.attr
        for one in ast.walk(ast.parse(inspect.getsource(owner)))
        if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)
    }
    theirs = {name for name in {*vars(owner), *assigned} if not name.startswith("__")}

    assert (used | defined) & theirs <= set(STANDS_ON[owner].split())
