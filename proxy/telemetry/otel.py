"""OpenTelemetry: each request as a span and in the metrics, by the GenAI semantic conventions.

Imported only where POINTSMAN_OTEL is on, as all of it comes with an extra. Spans are made after the
fact, from the usage row, by a thread of their own. No prompt and no answer is in them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.base import Adapter
from proxy.routing.answers.receipt import Try
from proxy.store.usage.rows import UsageQueue, UsageRow

if TYPE_CHECKING:
    from proxy.settings import Settings

log = logging.getLogger("pointsman.telemetry")

Value = str | bool | int | float | Sequence[str]
Attributes = dict[str, Value]
Facts = Mapping[str, Value]

TICK_S = 0.5
MAX_BATCH = 500
CLOSE_S = 3.0
"""How long the end of the server waits for a collector that does not answer."""
NAME = "pointsman"
OPERATION = "gen_ai.operation.name"
# The conventions' own advice for each metric.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4**power for power in range(14))


def open_telemetry(settings: Settings, adapters: Iterable[Adapter]) -> Telemetry:
    """To the collector that the environment names, or to one on this machine."""
    spans = [BatchSpanProcessor(OTLPSpanExporter())] if settings.sends_traces else []
    metrics = (
        [PeriodicExportingMetricReader(OTLPMetricExporter())] if settings.sends_metrics else []
    )
    return Telemetry(spans, metrics, {one.name: facts_of(one) for one in adapters})


def facts_of(adapter: Adapter) -> Facts:
    """What every span says of a provider: its name in the conventions, and where it is."""
    settings = adapter.settings
    facts: Attributes = {"gen_ai.provider.name": settings.gen_ai_name or adapter.name}
    url = urlsplit(settings.address or "")
    if url.hostname:
        facts["server.address"] = url.hostname
        facts["server.port"] = url.port or (80 if url.scheme == "http" else 443)
    return facts


class Telemetry:
    """`put` takes the row of a request that has ended, and leaves the rest to a thread."""

    def __init__(
        self,
        spans: Iterable[SpanProcessor],
        metrics: Sequence[MetricReader],
        providers: Mapping[str, Facts],
    ) -> None:
        self._providers = providers
        self._rows = UsageQueue()
        self._closing = threading.Event()
        resource = _resource()
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        for processor in spans:
            self._traces.add_span_processor(processor)
        self._metrics = MeterProvider(metrics, resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer(NAME, version(NAME))
        self._durations = self._histogram("operation.duration", "s", SECONDS)
        self._first_chunks = self._histogram("operation.time_to_first_chunk", "s", SECONDS)
        self._tokens = self._histogram("token.usage", "{token}", TOKENS)
        self._thread = threading.Thread(target=self._work, name="telemetry", daemon=True)
        self._thread.start()

    def put(self, row: UsageRow) -> None:
        """Take a row; one that finds no room is dropped."""
        self._rows.put(row)

    def close(self) -> None:
        """Send what is left, if the collector takes it soon."""
        self._closing.set()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            log.warning("the OpenTelemetry collector does not answer: the last spans are lost")

    def _histogram(self, name: str, unit: str, steps: Sequence[float]) -> Histogram:
        meter = self._metrics.get_meter(NAME, version(NAME))
        return meter.create_histogram(
            f"gen_ai.client.{name}", unit, explicit_bucket_boundaries_advisory=steps
        )

    def _work(self) -> None:
        while not self._closing.wait(TICK_S):
            self._flush()
        self._flush()
        self._traces.shutdown()
        self._metrics.shutdown()

    def _flush(self) -> None:
        while rows := self._rows.oldest(MAX_BATCH):
            for row in rows:
                try:
                    self._tell(row)
                except Exception:
                    log.exception("a request could not be reported to OpenTelemetry")
            self._rows.written(len(rows))

    def _tell(self, row: UsageRow) -> None:
        facts = self._providers.get(row.provider or "", {})
        self._trace(row, facts)
        self._count(row, facts)

    def _trace(self, row: UsageRow, facts: Facts) -> None:
        span = self._tracer.start_span(
            f"{_operation(row)} {row.asked}" if row.asked else _operation(row),
            context=_parent(row.receipt.traceparent),
            kind=SpanKind.CLIENT,
            attributes={OPERATION: _operation(row), **facts, **_told(row)},
            start_time=_ns(row.at),
        )
        began_s = 0.0
        for one in row.receipt.tries:
            self._attempt(span, row, one, began_s + one.waited_s)
            began_s = one.ended_s
        _fail(span, row.error)
        span.end(_ns(row.at + row.total_s))

    def _attempt(self, parent: Span, row: UsageRow, one: Try, began_s: float) -> None:
        """A call up to its first content. Only the request's span has the conventions' names."""
        span = self._tracer.start_span(
            f"attempt {one.provider}/{one.model}",
            context=set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            attributes={
                "pointsman.provider": one.provider,
                "pointsman.model": one.model,
                "pointsman.outcome": one.outcome,
                "pointsman.waited_s": one.waited_s,
            },
            start_time=_ns(row.at + min(began_s, one.ended_s)),
        )
        _fail(span, one.reason)
        span.end(_ns(row.at + one.ended_s))

    def _count(self, row: UsageRow, facts: Facts) -> None:
        """No label is a client's word: models are named once they have answered."""
        labels: Attributes = {OPERATION: _operation(row), **facts}
        if row.first_s is not None:
            labels["gen_ai.request.model"] = row.receipt.tries[-1].model
            labels["gen_ai.response.model"] = row.model or ""
        failed = {"error.type": row.error} if row.error else {}
        self._durations.record(row.total_s, {**labels, **failed})
        if row.is_stream and row.first_s is not None:
            self._first_chunks.record(row.first_s, labels)
        if row.first_s is not None and not row.tokens.estimated:
            self._tokens.record(row.tokens.prompt, {**labels, "gen_ai.token.type": "input"})
            self._tokens.record(row.tokens.completion, {**labels, "gen_ai.token.type": "output"})


def _resource() -> Resource:
    is_named = SERVICE_NAME in OTELResourceDetector().detect().attributes
    name = {} if is_named else {SERVICE_NAME: NAME}
    return Resource.create({**name, "service.version": version(NAME)})


def _operation(row: UsageRow) -> str:
    """What is asked; by the protocol's name where that could not be read."""
    return row.receipt.operation or row.receipt.door or "chat"


def _told(row: UsageRow) -> Attributes:
    """What a request's span says besides its provider."""
    return {name: value for name, value in _all_of(row) if value is not None and value != ""}


def _all_of(row: UsageRow) -> Iterator[tuple[str, Value | None]]:
    yield "pointsman.request_id", row.request_id
    yield "pointsman.app", row.app
    yield "pointsman.door", row.receipt.door
    yield "pointsman.status", row.status
    yield "pointsman.rotated", row.rotated
    yield "pointsman.waited_s", row.waited_s
    passed = (f"{candidate}: {why}" for candidate, why in row.receipt.passed.items())
    yield "pointsman.passed", tuple(passed) or None
    yield "pointsman.warnings", tuple(row.receipt.warnings) or None
    yield "gen_ai.request.model", row.asked
    yield "gen_ai.request.stream", row.is_stream or None
    if row.first_s is None:
        return
    yield "gen_ai.response.model", row.model
    yield "gen_ai.response.finish_reasons", (row.finish,) if row.finish else None
    yield "gen_ai.response.time_to_first_chunk", row.first_s if row.is_stream else None
    if not row.tokens.estimated:
        yield "gen_ai.usage.input_tokens", row.tokens.prompt
        yield "gen_ai.usage.output_tokens", row.tokens.completion
        yield "gen_ai.usage.cache_read.input_tokens", row.tokens.cached
        yield "gen_ai.usage.reasoning.output_tokens", row.tokens.reasoning


def _parent(traceparent: bytes | None) -> Context:
    """The client's span, if it told one that can be read; else none, whatever runs here."""
    carrier = {"traceparent": (traceparent or b"").decode("latin-1")}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _fail(span: Span, error: str | None) -> None:
    if error:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))


def _ns(at_s: float) -> int:
    return int(at_s * 1e9)
