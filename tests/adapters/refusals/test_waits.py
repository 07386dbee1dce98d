"""How long a provider says to wait."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given, strategies as st

from adapters.refusals.waits import DAY_S, HOUR_S, capped_s, go_duration_s, retry_after_s

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


def told(*headers: tuple[str, str]) -> float | None:
    return retry_after_s(httpx.Headers(list(headers)), NOW)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("1.5", 1.5),
        (" 30 ", 30.0),
        ("1e9", HOUR_S),
        ("3600.5", HOUR_S),
        ("Sat, 14 Mar 2026 15:09:29 GMT", 3.0),
        ("Sat, 14 Mar 2026 15:09:29 -0000", 3.0),
        ("Sat, 14 Mar 2026 15:00:00 GMT", None),
        ("Sat, 14 Mar 2099 15:00:00 GMT", HOUR_S),
        ("0", None),
        ("-5", None),
        ("garbage", None),
        ("", None),
        ("NaN", None),
        ("inf", None),
        ("1_0", None),
        ("9" * 10_000, None),
        ("Sat, 99 Mar 2026 15:09:29 GMT", None),
    ],
)
def test_reads_retry_after(value: str, seconds: float | None) -> None:
    assert told(("retry-after", value)) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sat, 14 Mar 2026 15:09:20 GMT", 9.0),
        ("Sun, 15 Mar 2026 15:09:20 GMT", None),
        ("soon", 3.0),
    ],
    ids=["another clock", "past by that clock", "no date"],
)
def test_a_date_counts_from_the_answers_own(date: str, seconds: float | None) -> None:
    assert told(("date", date), ("retry-after", "Sat, 14 Mar 2026 15:09:29 GMT")) == seconds


def test_reads_milliseconds() -> None:
    assert told(("retry-after-ms", "1500")) == 1.5
    assert told(("retry-after-ms", "x"), ("retry-after", "4")) == 4


def test_the_longer_of_two_headers_holds() -> None:
    assert told(("retry-after", "3"), ("retry-after", "8"), ("retry-after", "x")) == 8


def test_no_header_is_no_wait() -> None:
    assert told() is None


def test_a_cap_may_be_a_day() -> None:
    headers = httpx.Headers({"retry-after": "90000"})
    assert retry_after_s(headers, NOW, cap_s=DAY_S) == 90_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6s", 6.0),
        ("30ms", 0.03),
        ("449.999999ms", 0.449999999),
        ("1m0.363142857s", 60.363142857),
        ("8m38.4s", 518.4),
        ("2h3m4s", 7384.0),
        ("1h", 3600.0),
        ("7m", 420.0),
        ("26.123456789s", 26.123456789),
        (".5s", 0.5),
        ("3µs", 3e-6),
        ("0s", 0.0),
        ("999999h", DAY_S),
        ("", None),
        ("5", None),
        ("-5s", None),
        ("5 s", None),
        ("s", None),
        ("NaNs", None),
        ("5d", None),
        ("٣s", None),
        ("1" * 200 + "s", None),
    ],
)
def test_reads_a_duration(text: str, seconds: float | None) -> None:
    found = go_duration_s(text)
    assert found is None if seconds is None else found == pytest.approx(seconds)


@given(h=st.integers(0, 20), m=st.integers(0, 59), ms=st.integers(0, 59_999))
def test_a_duration_reads_back(h: int, m: int, ms: int) -> None:
    assert go_duration_s(f"{h}h{m}m{ms / 1000:.3f}s") == pytest.approx(
        h * 3600 + m * 60 + ms / 1000
    )


@given(st.text())
def test_any_text_is_a_sane_wait_or_none(text: str) -> None:
    value = text.encode("ascii", "ignore").decode().translate({10: None, 13: None})
    found = [retry_after_s(httpx.Headers({"retry-after": value}), NOW), go_duration_s(text)]
    assert all(wait is None or 0 <= wait <= DAY_S for wait in found)


@given(st.floats())
def test_a_capped_wait_is_positive_and_capped(seconds: float) -> None:
    wait = capped_s(seconds)
    assert wait is None or 0 < wait <= HOUR_S
