"""The lines that a running server writes, in the words that people were promised."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

from tests.security.kit import Fakes, ask, body_of, post, process

DEAF = {"OLLAMA_HOST": "http://127.0.0.1:1"}


def lines_of(fakes: Fakes, folder: Path, **settings: str) -> list[str]:
    """What the log says of a request to a limited provider, and one to a provider that is down."""
    limits = {"POINTSMAN_RATE_PRESET": "provider", "GROQ_RATE_LIMIT_REQUESTS_PER_MINUTE": "30"}
    with process(fakes, folder, **limits, **DEAF, **settings) as one:
        first = ask(one.port, post(body_of("groq"), **{"x-request-id": "mine-1"}))
        second = ask(one.port, post(body_of("ollama"), **{"x-request-id": "mine-2"}))
        one.popen.send_signal(signal.SIGTERM)
        assert one.exit_code() == 0
    assert (first.status, first.headers["x-request-id"]) == (200, "mine-1")
    assert (second.status, second.headers["x-request-id"]) == (503, "mine-2")
    return (folder / "stderr").read_text(encoding="utf-8").splitlines()


def test_usually_there_is_a_line_a_request_and_one_for_what_went_wrong(
    fakes: Fakes, tmp_path: Path
) -> None:
    lines = lines_of(fakes, tmp_path)
    answered, refused, failed = (line.split(" ", 2)[2] for line in lines)

    assert answered.startswith("INFO pointsman.request mine-1 200 groq/")
    assert answered.endswith(" ms attempts=groq:200")
    assert refused.startswith("INFO pointsman.router [ollama] connection refused")
    assert failed.startswith("INFO pointsman.request mine-2 503 ollama/")
    assert " error=" in failed


def test_debugging_tells_the_limits_too(fakes: Fakes, tmp_path: Path) -> None:
    text = "\n".join(lines_of(fakes, tmp_path, POINTSMAN_LOG_LEVEL="debug"))

    assert "DEBUG pointsman.limits [limiter] groq 1/30 used\n" in text
    assert "DEBUG pointsman.limits [groq] 14399/14400 requests left today\n" in text


def test_every_line_is_an_object_if_that_is_wanted(fakes: Fakes, tmp_path: Path) -> None:
    entries = map(json.loads, lines_of(fakes, tmp_path, POINTSMAN_LOG_FORMAT="json"))
    answered, refused, failed = entries

    assert (answered["request_id"], answered["status"]) == ("mine-1", 200)
    assert answered["provider"] == "groq"
    assert refused["message"].startswith("[ollama] connection refused")
    assert (failed["request_id"], failed["status"]) == ("mine-2", 503)
    assert failed["error"]


def test_a_wait_for_a_limit_is_logged(fakes: Fakes, tmp_path: Path) -> None:
    limits = {
        "POINTSMAN_RATE_PRESET": "provider",
        "POINTSMAN_MAX_WAIT_S": "90",
        "GROQ_RATE_LIMIT_REQUESTS_PER_MINUTE": "1",
    }
    with process(fakes, tmp_path, **limits) as one:
        assert ask(one.port, post(body_of("groq"))).status == 200
        with socket.create_connection(("127.0.0.1", one.port)) as waiting:
            waiting.sendall(post(body_of("groq")))
            log = tmp_path / "stderr"
            while "waiting" not in log.read_text(encoding="utf-8"):
                one.popen.poll()
        one.popen.send_signal(signal.SIGTERM)
        assert one.exit_code() == 0

    assert "INFO pointsman.limits [limiter] groq 1/1 used, waiting " in log.read_text("utf-8")
