"""The log as it is written: both forms, masked, by a thread that nobody waits for."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from proxy.log import MAX_WAITING, AsJson, AsText, Lines, configure
from proxy.redact import Redactor
from proxy.server import _say

SECRET = 's3cret-"key'
PATIENCE_S = 10.0
log = logging.getLogger("pointsman.test")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Leave logging as the other tests expect it."""
    root, own = logging.getLogger(), logging.getLogger("pointsman")
    level, own_level = root.level, own.level
    factory, source = logging.getLogRecordFactory(), logging._srcfile
    yield
    for handler in root.handlers[:]:
        if isinstance(handler, Lines):
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    own.setLevel(own_level)
    logging.setLogRecordFactory(factory)
    logging._srcfile = source


def written(form: str = "console", **given: Any) -> tuple[Lines, io.StringIO]:
    stream = io.StringIO()
    return configure(Redactor([SECRET]), form=form, stream=stream, **given), stream


def lines_of(lines: Lines, stream: io.StringIO) -> list[str]:
    lines.close()
    return stream.getvalue().splitlines()


def test_a_line_tells_time_level_and_place() -> None:
    lines, stream = written()
    log.info("[%s] connection refused", "north")

    (line,) = lines_of(lines, stream)
    day, hour, rest = line.split(" ", 2)
    assert (len(day), len(hour)) == (len("2026-11-21"), len("18:00:00.000"))
    assert rest == "INFO pointsman.test [north] connection refused"


def test_json_has_the_fields_that_the_message_is_made_of() -> None:
    lines, stream = written("json")
    log.info("%(request_id)s %(status)d", {"request_id": "req-1", "status": 200})

    (entry,) = map(json.loads, lines_of(lines, stream))
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info",
        "logger": "pointsman.test",
        "message": "req-1 200",
        "request_id": "req-1",
        "status": 200,
    }


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_key_is_written_in_a_message_or_a_traceback(form: str) -> None:
    lines, stream = written(form)
    log.warning("a %s and %d", SECRET, 7)
    log.warning("Authorization: Bearer abcdef012345\nnext")
    log.warning('quoted "Bearer abcdef012345" and "key=abcdef012345"')
    try:
        {}[f"with {SECRET} in it"]
    except KeyError:
        log.exception("it broke at %s", SECRET)

    found = lines_of(lines, stream)
    text = "\n".join(found)
    assert SECRET not in text and json.dumps(SECRET)[1:-1] not in text
    assert "abcdef012345" not in text
    assert "a *** and 7" in text
    assert "KeyError: 'with *** in it'" in text
    if form == "json":
        said = [json.loads(line)["message"] for line in found]
        assert said[1:3] == [
            "Authorization: Bearer ***\nnext",
            'quoted "Bearer ***" and "key=***"',
        ]


def test_a_mask_takes_nothing_of_the_next_line() -> None:
    lines, stream = written()
    log.info("the word was bearer ")
    log.info("second")

    first, second = lines_of(lines, stream)
    assert first.endswith("the word was bearer ")
    assert second.endswith("INFO pointsman.test second")


def test_words_of_others_make_no_line_of_their_own() -> None:
    lines, stream = written()
    log.info("[north] %s", "no\r\n2026-11-21 00:00:00.000 INFO forged \x1b[31mé")

    (line,) = lines_of(lines, stream)
    assert line.endswith(r"[north] no\r\n2026-11-21 00:00:00.000 INFO forged \x1b[31mé")


@pytest.mark.parametrize("form", ["console", "json"])
def test_an_exception_says_little_and_on_one_line(form: str) -> None:
    lines, stream = written(form)
    said = "one\r\nforged \x1b[31m" + "a prompt " * 50 + "its end"
    try:
        try:
            {}[said]
        except KeyError as error:
            raise RuntimeError(said) from error
    except RuntimeError:
        log.exception("it broke")

    found = "\n".join(lines_of(lines, stream))
    assert found.index("KeyError: ") < found.index("RuntimeError: one")
    assert "\x1b" not in found
    assert "\nforged" not in found
    assert "its end" not in found


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_cannot_be_said_is_no_failure(form: str) -> None:
    lines, stream = written(form)
    # Not through a logger: pytest's own handlers take such lines for the test's failure.
    lines.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    lines.handle(logging.makeLogRecord({"msg": "half a character: %s", "args": ("\ud800",)}))

    odd, half = lines_of(lines, stream)
    assert "does not fit its arguments" in odd
    assert r"\ud800" in half


def test_others_are_heard_from_warnings_on_and_we_from_our_level_on() -> None:
    lines, stream = written(level="warning")
    other = logging.getLogger("somebody.else")
    for one in (other, log):
        one.info("quiet")
        one.warning("loud")

    assert [line.split(" ", 3)[3] for line in lines_of(lines, stream)] == [
        "somebody.else loud",
        "pointsman.test loud",
    ]


class Stuck(io.StringIO):
    """A terminal that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        self.began.set()
        assert self.goes_on.wait(PATIENCE_S)
        return super().write(text)


def test_who_logs_does_not_wait_for_a_reader_and_what_is_lost_is_counted() -> None:
    stream = Stuck()
    lines = configure(Redactor(()), stream=stream)
    log.info("first")
    assert stream.began.wait(PATIENCE_S)
    for _ in range(MAX_WAITING + 5):
        log.info("more")
    stream.goes_on.set()
    found = lines_of(lines, stream)

    assert len(found) == 1 + MAX_WAITING + 1
    assert found[-1] == "pointsman.log 5 lines found no room: nobody read them"


def test_the_end_waits_for_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stuck()
    monkeypatch.setattr("proxy.log.LAST_S", 0)
    monkeypatch.setattr(sys, "stderr", stream)
    lines = configure(Redactor(()))
    log.info("first")
    assert stream.began.wait(PATIENCE_S)
    lines.close()
    log.info("later, by a thread that does not wait either")

    assert sys.stderr is None
    stream.goes_on.set()


def test_while_nobody_has_read_the_banner_nobody_waits_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            seen.append(sys.stdout)
            return super().write(text)

    stream = Slow()
    monkeypatch.setattr(sys, "stdout", stream)
    _say("It is there.")

    assert stream.getvalue() == "It is there.\n"
    assert set(seen) == {None}
    assert sys.stdout is stream


def test_what_is_said_after_the_end_is_written_at_once() -> None:
    lines, stream = written()
    lines.close()
    log.info("late")

    assert stream.getvalue().endswith(" late\n")


def test_what_threads_say_while_the_end_comes_is_all_written() -> None:
    lines, stream = written()
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            told = [pool.submit(log.info, "said") for _ in range(2000)]
            lines.close()
    finally:
        sys.setswitchinterval(usual_s)

    assert [each.exception() for each in told] == [None] * 2000
    assert stream.getvalue().count(" said\n") == 2000


def test_a_reader_that_has_gone_is_no_failure() -> None:
    lines, stream = written()
    stream.close()
    log.info("to nobody")
    lines.close()
    log.info("to nobody either")


@pytest.mark.parametrize("form", [AsText(), AsJson()])
def test_a_second_has_its_own_stamp(form: Any) -> None:
    """Stamps are made once a second: the next second's must differ, and the same one's not."""

    def stamp(created: float) -> str:
        record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "b"})
        record.created, record.msecs = created, created % 1 * 1000
        return str(form(record))

    assert stamp(1_700_000_000.25) == stamp(1_700_000_000.25)
    assert ":20.250" in stamp(1_700_000_000.25)
    assert ":21.999" in stamp(1_700_000_001.9996)
