"""Real servers on loopback: one that answers from a script, and one that treats the bare connection badly."""

import json
import random
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REQUEST_ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
FROM_FAL = {"x-fal-request-id": "gateway-1"}


@dataclass(frozen=True)
class Scripted:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def free_port() -> int:
    """Below the ephemeral range, where a retrying client could meet itself."""
    for _ in range(100):
        port = random.randint(21_000, 28_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("No free port.")


class FalServer:
    """Answers each request with the next line of its script; the last line stays."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: deque[Scripted] = deque()
        self._http = ThreadingHTTPServer(("127.0.0.1", free_port()), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def answers(self, status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> "FalServer":
        self.script.append(Scripted(status, body, headers or {}))
        return self

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join(5)
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.seen.append(Seen(self.command, self.path, headers, body))
                scripted = server.script.popleft() if len(server.script) > 1 else server.script[0]
                content = scripted.encoded()
                self.send_response(scripted.status)
                for name, value in scripted.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        return Handler


def read_request(connection: socket.socket) -> bytes:
    """The whole request, by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def raw_server(treat: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """Hands each accepted connection to `treat`, then closes it. Yields its URL and the count of connections."""
    connections = [0]
    listener = socket.create_server(("127.0.0.1", free_port()))
    listener.settimeout(0.05)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connections[0] += 1
            connection.settimeout(5)
            with connection:
                try:
                    treat(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", connections
    finally:
        stop.set()
        thread.join(6)
        listener.close()
