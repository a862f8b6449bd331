"""Traces by OpenTelemetry, in processes that were told where to send them; loaded in no other.

A generation is one trace, whose id is the generation's: all that was done for it, by web, worker and callback, hours
apart and through a doorbell that carries nothing, lies there together. Each of its spans links to the request or task
in which it happened.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from neoapex.logs import redact
from studio import tracing

# Asked every few seconds, and by nobody who is traced.
NOT_TRACED: Final = "healthz,readyz,metrics,static/"
# Behind the door for callbacks, and within what sets headers.
MIDDLEWARE_PLACE: Final = 3
SPAN_ID_BITS: Final = 64
ADDRESSES: Final = frozenset({"http.url", "http.target", "url.full"})
LEFT_OUT: Final = frozenset({"url.query", "http.user_agent", "user_agent.original"})


def start() -> None:
    """Trace this process from now on. Children that it forks go on by themselves."""
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: settings.OTEL_SERVICE_NAME}))
    # Where to, and with which headers, the exporter reads from the environment by the names that are everybody's.
    provider.add_span_processor(BatchSpanProcessor(Redacting(OTLPSpanExporter())))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(
        tracer_provider=provider, excluded_urls=NOT_TRACED, middleware_position=MIDDLEWARE_PLACE
    )
    CeleryInstrumentor().instrument(  # type: ignore[no-untyped-call]
        tracer_provider=provider
    )
    tracing.trace_with(maker(provider))


def maker(provider: TracerProvider) -> tracing.Maker:
    tracer = provider.get_tracer("studio")

    @contextmanager
    def span(name: str, generation_id: uuid.UUID, attributes: dict[str, tracing.Attribute]) -> Iterator[None]:
        around = trace.get_current_span().get_span_context()
        # Within a span of the same generation it is a child of that, else it begins at the trace's root.
        within = None if around.trace_id == generation_id.int else _root_of(generation_id)
        links = [Link(around)] if within is not None and around.is_valid else []
        told = {"generation.id": str(generation_id), **attributes}
        with tracer.start_as_current_span(
            name, within, attributes=told, links=links, record_exception=False, set_status_on_exception=False
        ) as current:
            try:
                yield
            except BaseException as error:
                # Its text may quote what was sent.
                current.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    return span


def _root_of(generation_id: uuid.UUID) -> Any:
    span_id = generation_id.int % 2**SPAN_ID_BITS
    root = SpanContext(generation_id.int, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return trace.set_span_in_context(NonRecordingSpan(root))


class Redacting(SpanExporter):
    """Sends on what tells nobody's words and opens nothing: whoever reads traces needs no more trust than with logs."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_clean(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _clean(span: ReadableSpan) -> ReadableSpan:
    attributes = {name: _shown(name, value) for name, value in (span.attributes or {}).items() if name not in LEFT_OUT}
    # Of an error its kind alone: its text and its lines may hold anything.
    events = [Event(event.name, _kind(event), event.timestamp) for event in span.events]
    return ReadableSpan(
        name=redact(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _shown(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return redact(urlsplit(value)._replace(query="", fragment="").geturl() if name in ADDRESSES else value)


def _kind(event: Event) -> dict[str, Any]:
    kept = (event.attributes or {}).get("exception.type")
    return {} if kept is None else {"exception.type": kept}
