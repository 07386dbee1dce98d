"""How many files the server takes, and what is said where there are too few."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from proxy import server
from proxy.gate.files import allow_open_files, scarcity
from proxy.gate.room import MAX_REQUESTS, files_for
from tests.security.kit import Fakes, settings_for

resource = pytest.importorskip("resource")
NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "system", "has"),
    [
        (1024, 524288, NO_LIMIT, 65536),
        (256, 4096, NO_LIMIT, 4096),
        (64, 64, NO_LIMIT, 64),
        (1_048_576, 1_048_576, NO_LIMIT, 1_048_576),
        (NO_LIMIT, NO_LIMIT, NO_LIMIT, 65536),
        (256, NO_LIMIT, 61440, 32768),
        (256, NO_LIMIT, 200, 256),
    ],
)
def test_as_many_files_are_taken_as_the_system_gives(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, system: int, has: int
) -> None:
    limits = [soft]

    def change(_what: int, wanted: tuple[int, int]) -> None:
        if system != NO_LIMIT and wanted[0] > system:
            raise ValueError("not allowed to raise maximum limit")
        limits[0] = wanted[0]

    monkeypatch.setattr(resource, "getrlimit", lambda _what: (limits[0], hard))
    monkeypatch.setattr(resource, "setrlimit", change)

    assert allow_open_files() == has
    assert limits[0] in (has, NO_LIMIT)


def test_a_limit_that_is_too_low_is_told_by_what_comes_of_it() -> None:
    enough = files_for(MAX_REQUESTS)

    assert scarcity(enough) is scarcity(65536) is None
    assert "enough to answer 64 at once" in (scarcity(256) or "")
    assert "too few to serve" in (scarcity(12) or "")


def test_a_start_says_that_there_are_few_and_does_not_begin_with_hardly_any(
    fakes: Fakes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(server, "own_folder", lambda: tmp_path)
    monkeypatch.setattr(server, "_leave_no_core", lambda: None)
    monkeypatch.setattr(server.Server, "run", lambda _self, sockets: sockets)
    settings = settings_for(fakes, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for files, reason, is_told in (
            (12, "too few", False),
            (256, None, True),
            (9999, None, False),
        ):
            monkeypatch.setattr(server, "allow_open_files", lambda files=files: files)
            told = server.run(settings, listener)
            assert told is None if reason is None else reason in (told or "")
            assert ("enough to answer" in capsys.readouterr().err) is is_told
