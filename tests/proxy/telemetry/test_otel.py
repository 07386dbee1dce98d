"""Spans and metrics: made of usage rows in memory, and as a collector gets them from a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from adapters import REGISTRY
from adapters.base import ErrorKind, Usage
from proxy.candidate import Candidate
from proxy.routing.answers.receipt import Receipt
from proxy.store.usage.rows import LEFT, UsageRow, usage_row
from proxy.telemetry.otel import Telemetry, facts_of
from tests.fakes.server import Fault, json_answer
from tests.proxy.kit import adapter, failure
from tests.security.kit import Fakes, ask, body_of, post, process

NORTH = Candidate("north", "north-model")
SOUTH = Candidate("south", "south-model")
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
PARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
BEGAN = 1_700_000_000.0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def row_of(receipt: Receipt, **given: Any) -> UsageRow:
    told = {"status": 200, "error": None, "is_stream": False, **given}
    return usage_row(
        receipt, request_id="req-1", at=BEGAN, app="notes", asked="gpt-4o", bytes_in=1, bytes_out=2,
        **told,
    )  # fmt: skip


def rotated_row(**given: Any) -> UsageRow:
    """Refused by one after 1 s, then 2 s of waiting, answered by another after 4 s, over at 5 s."""
    clock = Clock()
    receipt = Receipt(clock=clock, considered=(NORTH, SOUTH), traceparent=PARENT.encode())
    clock.now += 1
    receipt.tried(NORTH, 429, failure(ErrorKind.RATE_LIMIT, "north"))
    clock.now += 3
    receipt.waited_s = 2.0
    receipt.tried(SOUTH, 200, None)
    clock.now += 1
    receipt.model = "south-2026"
    receipt.finish = "stop"
    receipt.usage = Usage(prompt=30, completion=12, reasoning=5, cached=10)
    return row_of(receipt, **given)


def told(*rows: UsageRow) -> tuple[Mapping[str, ReadableSpan], dict[str, list[Any]]]:
    """The spans by name, and the points of each metric, after `rows` have been told."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    providers = {name: facts_of(adapter(name)) for name in ("north", "south")}
    telemetry = Telemetry([SimpleSpanProcessor(spans)], [reader], providers)
    for row in rows:
        telemetry.put(row)
    telemetry.close()
    found = reader.get_metrics_data()
    metrics = found.resource_metrics[0].scope_metrics[0].metrics if found else []
    points = {metric.name: list(metric.data.data_points) for metric in metrics}
    return {span.name: span for span in spans.get_finished_spans()}, points


def seconds(span: ReadableSpan) -> tuple[float, float]:
    assert span.start_time is not None and span.end_time is not None
    return (span.start_time / 1e9 - BEGAN, span.end_time / 1e9 - BEGAN)


def test_a_request_is_a_span_of_the_conventions_beneath_the_client_s() -> None:
    spans, _ = told(rotated_row(is_stream=True))

    span = spans["chat gpt-4o"]
    assert span.kind is SpanKind.CLIENT
    assert seconds(span) == pytest.approx((0, 5), abs=0.001)
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" == f"{TRACE_ID}-{PARENT_ID}"
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "south",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "south-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 4.0,
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 12,
        "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "pointsman.app": "notes",
        "pointsman.request_id": "req-1",
        "pointsman.rotated": True,
        "pointsman.status": 200,
        "pointsman.waited_s": 2.0,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.resource.attributes["service.name"] == "pointsman"


def test_what_is_no_chat_is_called_by_its_operation() -> None:
    row = rotated_row()
    row.receipt.door, row.receipt.operation = "embeddings", "embeddings"
    unread = rotated_row()
    unread.receipt.door = "speech"
    spans, points = told(row, unread)

    assert spans["embeddings gpt-4o"].attributes
    assert spans["embeddings gpt-4o"].attributes["gen_ai.operation.name"] == "embeddings"
    assert spans["embeddings gpt-4o"].attributes["pointsman.door"] == "embeddings"
    assert "speech gpt-4o" in spans
    durations = points["gen_ai.client.operation.duration"]
    names = {point.attributes["gen_ai.operation.name"] for point in durations}
    assert names == {"embeddings", "speech"}


def test_each_attempt_is_a_span_beneath_it() -> None:
    spans, _ = told(rotated_row())

    refused = spans["attempt north/north-model"]
    answered = spans["attempt south/south-model"]
    assert seconds(refused) == pytest.approx((0, 1), abs=0.001)
    assert seconds(answered) == pytest.approx((3, 4), abs=0.001)
    request = spans["chat gpt-4o"].context
    for attempt in (refused, answered):
        assert request and attempt.parent and attempt.parent.span_id == request.span_id
    assert (refused.attributes or {})["error.type"] == "rate_limit"
    assert refused.status.status_code is StatusCode.ERROR
    assert (answered.attributes or {})["pointsman.outcome"] == "200"


def test_the_metrics_are_those_of_the_conventions() -> None:
    _, points = told(rotated_row(is_stream=True))

    labels = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "south",
        "gen_ai.request.model": "south-model",
        "gen_ai.response.model": "south-2026",
    }
    [duration] = points["gen_ai.client.operation.duration"]
    [first] = points["gen_ai.client.operation.time_to_first_chunk"]
    assert (dict(duration.attributes), duration.sum) == (labels, 5.0)
    assert (dict(first.attributes), first.sum) == (labels, 4.0)
    assert duration.explicit_bounds[0] == 0.01
    tokens = {
        dict(p.attributes)["gen_ai.token.type"]: p for p in points["gen_ai.client.token.usage"]
    }
    assert {name: point.sum for name, point in tokens.items()} == {"input": 30, "output": 12}
    assert tokens["input"].explicit_bounds[:3] == (1, 4, 16)


def test_a_failed_request_tells_its_error_and_no_label_is_a_client_s_word() -> None:
    receipt = Receipt(clock=Clock(), traceparent=b"no such thing")
    spans, points = told(row_of(receipt, status=404, error="model_not_found"))

    span = spans["chat gpt-4o"]
    assert span.parent is None
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "model_not_found"
    [duration] = points["gen_ai.client.operation.duration"]
    assert dict(duration.attributes) == {
        "gen_ai.operation.name": "chat",
        "error.type": "model_not_found",
    }
    assert points.keys() == {"gen_ai.client.operation.duration"}


def test_estimated_tokens_are_not_told() -> None:
    clock = Clock()
    receipt = Receipt(clock=clock, prompt_guess=9, written=40)
    receipt.tried(NORTH, 200, None)
    spans, points = told(row_of(receipt, status=LEFT))

    assert not [name for name in spans["chat gpt-4o"].attributes or {} if "usage" in name]
    assert spans["chat gpt-4o"].status.status_code is StatusCode.UNSET
    assert "gen_ai.client.token.usage" not in points


def test_the_name_that_the_environment_gives_the_service_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "desk")
    spans, _ = told(rotated_row())

    assert spans["chat gpt-4o"].resource.attributes["service.name"] == "desk"


@pytest.mark.parametrize(
    ("name", "given", "facts"),
    [
        ("groq", {}, ("groq", "api.groq.com", 443)),
        ("gemini", {}, ("gcp.gemini", "generativelanguage.googleapis.com", 443)),
        ("ollama", {"host": "box:11435"}, ("ollama", "box", 11435)),
        ("ollama", {"base_url": "http://box"}, ("ollama", "box", 80)),
        ("embedded", {}, ("embedded", None, None)),
    ],
)
def test_a_span_says_where_the_provider_is(
    name: str, given: dict[str, str], facts: tuple[object, ...]
) -> None:
    one = REGISTRY[name](REGISTRY[name].Settings(**given), None, None)  # type: ignore[arg-type]

    found = facts_of(one)

    keys = ("gen_ai.provider.name", "server.address", "server.port")
    assert tuple(map(found.get, keys)) == facts


def test_the_sdks_go_where_the_spans_say() -> None:
    import groq
    from google import genai

    client = genai.Client(api_key="none")
    gemini = client._api_client._http_options.base_url
    assert str(gemini).rstrip("/") == REGISTRY["gemini"].Settings.public_url
    groqs = str(groq.Groq(api_key="none").base_url).rstrip("/")
    assert groqs == REGISTRY["groq"].Settings.public_url


# With a running server


class Collector:
    """Takes OTLP over HTTP and keeps it. Where it is deaf, it never answers."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.spans: list[Any] = []
        self.metrics: set[str] = set()
        self.released = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if deaf:
                    collector.released.wait(30)
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        else:
            for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {m.name for scope in one.scope_metrics for m in scope.metrics}

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_a_collector_gets_the_spans_of_a_running_server(fakes: Fakes, tmp_path: Path) -> None:
    refusal = {"error": {"message": "too many", "code": "rate_limit_exceeded"}}
    fakes.groq.then(Fault(json_answer(refusal, 429, headers=(("retry-after", "9"),))))
    with Collector() as collector:
        settings = {"POINTSMAN_OTEL": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with process(fakes, tmp_path, **settings) as one:
            headers = {"traceparent": PARENT, "x-request-id": "mine-1"}
            assert ask(one.port, post(body_of(stream=True), **headers)).status == 200
            one.popen.send_signal(signal.SIGTERM)
            assert one.exit_code() == 0

    spans = {span.name: span for span in collector.spans}
    request = spans["chat default"]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    texts = {one.key: one.value.string_value for one in request.attributes}
    assert texts["pointsman.request_id"] == "mine-1"
    assert texts["gen_ai.provider.name"] == "gcp.gemini"
    attempts = [span for span in collector.spans if span.name.startswith("attempt ")]
    assert {span.parent_span_id for span in attempts} == {request.span_id}
    assert [span.name.split("/")[0] for span in attempts] == ["attempt groq", "attempt gemini"]
    assert collector.metrics == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
    }
    assert "Hello." not in str(collector.spans)


def test_a_collector_that_does_not_answer_holds_nothing_up(fakes: Fakes, tmp_path: Path) -> None:
    with Collector(deaf=True) as collector:
        settings = {"POINTSMAN_OTEL": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with process(fakes, tmp_path, **settings) as one:
            assert ask(one.port, post(body_of())).status == 200
            one.popen.send_signal(signal.SIGTERM)
            assert one.popen.wait(15) == 0
        assert not collector.released.is_set()
    assert "collector does not answer" in one.said


def test_the_switch_without_the_extra_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None; from proxy.__main__ import main; main()"
    )
    environment = {**os.environ, "POINTSMAN_OTEL": "on", "POINTSMAN_PORT": "0"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
    )

    assert result.returncode == 2
    assert "uv run --no-dev --extra otel pointsman" in result.stderr
    assert "Traceback" not in result.stderr
