"""Traces: one for each generation, under its own id, across web, workers and fal; and none where nobody asked."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from neoapex import tracing as neoapex_tracing
from studio import dispatch, generations, settling, tracing
from studio.fal.errors import Ambiguous
from studio.fal.mock import MockFalClient
from studio.models import User
from tests.journeys.stack import running_studio, wait_for
from tests.studio.people import song as a_song

ROOT = Path(__file__).resolve().parents[2]
WORDS = {"prompt": "a zeppelin full of marmalade"}


@pytest.fixture
def provider() -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(neoapex_tracing.Redacting(exporter)))
    tracing.trace_with(neoapex_tracing.maker(provider))
    yield provider, exporter
    tracing.trace_with(None)


@pytest.fixture
def fal(monkeypatch: pytest.MonkeyPatch) -> MockFalClient:
    client = MockFalClient()
    monkeypatch.setattr(dispatch, "from_settings", lambda: client)
    return client


Provider = tuple[TracerProvider, InMemorySpanExporter]


@pytest.mark.django_db
def test_all_that_is_done_for_a_song_lies_in_one_trace_under_its_id(
    provider: Provider, ada: User, fal: MockFalClient
) -> None:
    generation = generations.start(person=ada, inputs=WORDS)
    assert dispatch.dispatch() == 1
    generation.refresh_from_db()
    settling.settle(generation.pk, a_song(), request_id=generation.request_id)
    spans = provider[1].get_finished_spans()
    assert [span.name for span in spans] == ["start", "fal.submit", "settle"]
    for span in spans:
        assert span.context is not None
        assert UUID(int=span.context.trace_id) == generation.pk
        assert dict(span.attributes or {})["generation.id"] == str(generation.pk)
        assert "marmalade" not in span.to_json()
    assert dict(spans[1].attributes or {})["endpoint"] == "text-to-music"


@pytest.mark.django_db
def test_a_span_links_to_the_request_in_which_it_happened_and_nests_within_its_own(
    provider: Provider, ada: User
) -> None:
    tracer = provider[0].get_tracer("test")
    generation_id = UUID("764cabcf-b745-4b3e-ae38-1200304cf45b")
    with (
        tracer.start_as_current_span("GET /") as request,
        tracing.span("outer", generation_id),
        tracing.span("inner", generation_id),
    ):
        pass
    inner, outer, _request = provider[1].get_finished_spans()
    assert outer.context is not None
    assert inner.parent is not None
    assert [link.context.span_id for link in outer.links] == [request.get_span_context().span_id]
    assert inner.parent.span_id == outer.context.span_id
    assert not inner.links
    assert UUID(int=outer.context.trace_id) == generation_id


@pytest.mark.django_db
def test_what_goes_wrong_is_marked_by_its_kind_and_never_by_its_text(provider: Provider) -> None:
    def goes_wrong() -> None:
        with tracing.span("fal.submit", UUID(int=7)):
            raise Ambiguous("marmalade")

    with pytest.raises(Ambiguous):
        goes_wrong()
    [span] = provider[1].get_finished_spans()
    assert not span.status.is_ok
    assert "marmalade" not in span.to_json()


def test_addresses_lose_their_query_and_errors_their_text_on_the_way_out(provider: Provider) -> None:
    with provider[0].get_tracer("test").start_as_current_span("GET /?token=hunter2") as span:
        span.set_attribute("http.url", "https://studio/welcome/?sesame=hunter2#x")
        span.set_attribute("http.target", "/accounts/password/reset/key/1-hunter2/")
        span.set_attribute("url.query", "sesame=hunter2")
        span.set_attribute("http.status_code", 500)
        span.record_exception(ValueError("marmalade hunter2"))
    [sent] = provider[1].get_finished_spans()
    told = sent.to_json()
    assert "hunter2" not in told
    assert "marmalade" not in told
    assert dict(sent.attributes or {})["http.url"] == "https://studio/welcome/"
    assert json.loads(told)["events"][0]["attributes"] == {"exception.type": "ValueError"}


def test_without_a_maker_a_span_is_nothing() -> None:
    with tracing.span("x", UUID(int=1), attempt=1) as made:
        assert made is None


LOOK = """
import sys
import neoapex.asgi
from neoapex.celery import app
from studio import tracing
# The Redis client loads what counts, where it is installed; what traces and sends is ours to load.
ours = ("opentelemetry.exporter", "opentelemetry.instrumentation", "opentelemetry.sdk.trace.export", "neoapex.tracing")
print(any(name.startswith(ours) for name in sys.modules), tracing._maker is None)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("endpoint", "seen"), [("", "False True"), ("http://127.0.0.1:9", "True False")])
def test_only_a_process_that_is_told_where_to_send_them_loads_what_traces(endpoint: str, seen: str) -> None:
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == [seen], done.stderr


class Collector(BaseHTTPRequestHandler):
    """Takes traces as a collector does: protobuf over HTTP."""

    taken: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.taken.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    taken: list[ExportTraceServiceRequest] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Taking", (Collector,), {"taken": taken}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_whole_studio_sends_one_trace_for_a_song_from_every_process(
    collector: tuple[str, list[ExportTraceServiceRequest]],
) -> None:
    url, taken = collector
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with running_studio(settings, song_seconds=1) as studio, studio.client() as client:
        started = client.post("/api/generations?token=hunter2", json=WORDS).json()
        studio.wait_for_state(client, started["id"], "READY")
        generation_id = UUID(started["id"])
        wanted = {"start", "fal.submit", "settle", "ingest", "POST api/generations", "run/studio.dispatch"}
        wait_for(lambda: wanted <= names(taken), 20, lambda: str(wanted - names(taken)))
    spans = [span for request in list(taken) for span in spans_of(request)]
    of_the_song = {span.name for span in spans if span.trace_id == generation_id.bytes}
    assert of_the_song >= {"start", "fal.submit", "settle", "ingest"}
    told = b"".join(request.SerializeToString() for request in taken)
    assert b"marmalade" not in told
    assert b"hunter2" not in told
    assert client.headers["Authorization"].partition("nxa_")[2].encode() not in told


def spans_of(request: ExportTraceServiceRequest) -> list[Any]:
    return [span for of in request.resource_spans for scope in of.scope_spans for span in scope.spans]


def names(taken: list[ExportTraceServiceRequest]) -> set[str]:
    return {span.name for request in list(taken) for span in spans_of(request)}
