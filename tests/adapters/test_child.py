"""A script in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.child import answer_of


def test_it_reads_the_order_and_its_answer_comes_back(tmp_path: Path) -> None:
    script = tmp_path / "upper.py"
    script.write_text(
        "import sys\nprint(sys.stdin.read().upper(), end='')\nprint('x', file=sys.stderr)"
    )
    assert answer_of(str(script), b"hello") == b"HELLO"


def test_requests_go_first_unless_one_waits_for_it(tmp_path: Path) -> None:
    script = tmp_path / "how.py"
    script.write_text("import gc, os\nprint(os.nice(0), gc.isenabled(), __name__, end='')")
    ours = os.nice(0)

    assert answer_of(str(script), b"") == f"{min(19, ours + 19)} False __main__".encode()
    assert answer_of(str(script), b"", is_urgent=True) == f"{ours} True __main__".encode()


def test_one_that_fails_has_no_answer(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("print('half an answer', flush=True)\nraise SystemExit(1)")
    with pytest.raises(subprocess.SubprocessError):
        answer_of(str(script), b"")


def test_without_an_interpreter_to_start_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(FileNotFoundError):
        answer_of(__file__, b"")
