"""An S3 server over HTTP, and a proxy before it that does to requests what real networks and servers do."""

import http.client
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from moto.s3 import models
from moto.server import ThreadedMotoServer

from studio.media.bucket import BucketStorage
from tests.media.origin import free_port

KEY_ID, SECRET = "the-key-id", "the-secret-key"

Fault = Literal[
    "busy", "error under 200", "answer lost", "refused", "expired", "denied", "skewed", "trailer kept", "part lost",
    "no such upload", "not offered", "slow", "hangs",
]  # fmt: skip
_ERRORS: dict[str, tuple[int, str]] = {
    "busy": (503, "SlowDown"),
    "error under 200": (200, "InternalError"),
    "expired": (400, "ExpiredToken"),
    "denied": (403, "AccessDenied"),
    "skewed": (403, "RequestTimeTooSkewed"),
    "no such upload": (404, "NoSuchUpload"),
    "not offered": (501, "NotImplemented"),
}


@dataclass
class Trouble:
    """What happens to the requests of one operation: the first `spared` go well, `times` go wrong, then all is well."""

    operation: str
    fault: Fault
    times: int = 1
    spared: int = 0


@dataclass
class Proxy:
    """`seen` holds each operation with its key, in order; `url` is what a storage is given."""

    port: int
    behind: int
    seen: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    bytes_per_second: int = 1_000_000
    # Told of each request as it comes, by its number.
    on_request: Callable[[int], object] | None = None
    released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def trouble(self, operation: str, fault: Fault, *, times: int = 1, spared: int = 0) -> None:
        self.troubles.append(Trouble(operation, fault, times, spared))

    def count(self, operation: str) -> int:
        return sum(1 for name, _ in self.seen if name == operation)

    def fault_for(self, operation: str, key: str) -> Fault | None:
        with self._lock:
            self.seen.append((operation, key))
            if self.on_request:
                self.on_request(len(self.seen))
            for trouble in self.troubles:
                if trouble.operation != operation or trouble.times == 0:
                    continue
                if trouble.spared:
                    trouble.spared -= 1
                    return None
                trouble.times -= 1
                return trouble.fault
        return None


def operation_of(method: str, query: dict[str, list[str]], headers: Any, key: str) -> str:
    if "uploadId" in query:
        return {"PUT": "UploadPart", "POST": "Complete", "DELETE": "Abort", "GET": "ListParts"}[method]
    if "uploads" in query:
        return "Create" if method == "POST" else "ListUploads"
    if "restore" in query:
        return "Restore"
    if not key:
        return {"GET": "List", "HEAD": "HeadBucket", "PUT": "CreateBucket"}.get(method, method)
    if method == "PUT" and headers.get("x-amz-copy-source"):
        return "Copy"
    return {"PUT": "Put", "GET": "Get", "HEAD": "Head", "DELETE": "Delete"}[method]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The tests say what they need to know."""

    def _any(self) -> None:
        parts = urlsplit(self.path)
        key = parts.path.strip("/").partition("/")[2]
        operation = operation_of(self.command, parse_qs(parts.query, keep_blank_values=True), self.headers, key)
        fault = self.proxy.fault_for(operation, key)
        if fault == "refused":
            self.close_connection = True
            return
        body = self._read_body(self.proxy.bytes_per_second if fault == "slow" else None)
        if fault == "hangs":
            self.proxy.released.wait(60)
            self.close_connection = True
        elif fault in _ERRORS:
            self._answer_error(*_ERRORS[fault])
        else:
            self._forward(body, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815

    def _read_body(self, bytes_per_second: int | None) -> bytes:
        left, read = int(self.headers.get("Content-Length") or 0), []
        while left:
            read.append(self.rfile.read(min(left, 65536)))
            if not read[-1]:
                raise ConnectionResetError("the caller has left")
            left -= len(read[-1])
            if bytes_per_second:
                time.sleep(len(read[-1]) / bytes_per_second)
        return b"".join(read)

    def _answer_error(self, status: int, code: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m {SECRET}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        if fault == "trailer kept":
            body += b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n"
        if fault == "part lost":
            body = body[:-1]
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"expect", "connection"}}
        behind = http.client.HTTPConnection("127.0.0.1", self.proxy.behind, timeout=60)
        try:
            behind.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            answer = behind.getresponse()
            content = answer.read()
        finally:
            behind.close()
        if fault == "answer lost":
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers leave in the middle here, on purpose."""


class S3Server:
    """moto's server with the proxy before it."""

    def __init__(self) -> None:
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)

    def __enter__(self) -> Self:
        # Parts of any size, so that a test of many parts need not move megabytes.
        vars(models)["S3_UPLOAD_PART_MIN_SIZE"] = 1
        self._moto.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._moto.stop()

    @property
    def port(self) -> int:
        return int(self._moto.get_host_and_port()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def proxied(self) -> Iterator[Proxy]:
        proxy = Proxy(free_port(), self.port)
        handler = type("Handler", (_Handler,), {"proxy": proxy})
        server = _Server(("127.0.0.1", proxy.port), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.released.set()
            server.shutdown()
            server.server_close()
            thread.join(10)


def new_bucket(url: str, **options: Any) -> BucketStorage:
    """A storage on a bucket of its own."""
    name = f"songs-{secrets.token_hex(4)}"
    storage = BucketStorage(bucket_name=name, endpoint_url=url, access_key=KEY_ID, secret_key=SECRET, **options)
    storage.client.create_bucket(Bucket=name)
    return storage


def objects_in(storage: BucketStorage) -> set[str]:
    return {found.key for found in storage.listed("")}


def unfinished_in(storage: BucketStorage) -> list[str]:
    """The keys of uploads that were begun and not ended: their parts cost money and show nowhere."""
    found: list[dict[str, Any]] = []
    with suppress(KeyError):
        found = storage.client.list_multipart_uploads(Bucket=storage.bucket_name)["Uploads"]  # type: ignore[assignment]
    return [str(upload["Key"]) for upload in found]
