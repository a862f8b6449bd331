"""A web server that answers exactly the bytes a test tells it to, lies and silences included."""

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Answer = Callable[[socket.socket], None]


def head(status: int = 200, /, **headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(body: bytes, **headers: object) -> bytes:
    return head(200, content_length=len(body), **headers) + body


def without_length(body: bytes) -> bytes:
    return head(connection="close") + body


def chunked(body: bytes, *, size: int = 1000, ends: bool = True) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head(transfer_encoding="chunked") + coded + (b"0\r\n\r\n" if ends else b"")


class Origin:
    """Listens on loopback; each path has one answer, and every request's head is kept in `requests`."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | Answer] = {}
        self.requests: list[str] = []
        self.released = threading.Event()
        self._listener, self.port = _listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def answer(self, path: str, answer: bytes | Answer) -> str:
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.port}{path}"

    def then_stall(self, data: bytes) -> Answer:
        """Sends `data` and nothing more, without closing, until the test is over."""

        def stalled(connection: socket.socket) -> None:
            connection.sendall(data)
            self.released.wait(30)

        return stalled

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._reply(connection)

    def _reply(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request and (data := connection.recv(65536)):
            request += data
        self.requests.append(request.decode("latin-1"))
        answer = self.answers[request.split(b" ")[1].decode()]
        if callable(answer):
            answer(connection)
        else:
            connection.sendall(answer)


def free_port() -> int:
    listener, port = _listen()
    listener.close()
    return port


def _listen() -> tuple[socket.socket, int]:
    for port in random.sample(range(20_000, 32_000), 50):
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port)), port
    raise RuntimeError("no free port")
