"""A load generator that costs little itself: prepared requests over kept-alive connections."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one run; latencies in milliseconds."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]


def prepared(path: str, host: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def send_all(port: int, requests: Sequence[bytes], connections: int = 16) -> Load:
    """Send every request once, over so many connections, each with one request under way at a time."""
    return asyncio.run(_send_all(port, list(requests), connections))


async def _send_all(port: int, requests: list[bytes], connections: int) -> Load:
    took: list[float] = []
    statuses: dict[int, int] = {}
    began = time.perf_counter()
    await asyncio.gather(*(_connection(port, requests, took, statuses) for _ in range(connections)))
    seconds = time.perf_counter() - began
    percentiles = quantiles(took, n=100)
    return Load(len(took) / seconds, percentiles[49] * 1000, percentiles[98] * 1000, statuses)


async def _connection(port: int, requests: list[bytes], took: list[float], statuses: dict[int, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while requests:
        request = requests.pop()
        began = time.perf_counter()
        writer.write(request)
        status = await asyncio.wait_for(_answer(reader), 30)
        took.append(time.perf_counter() - began)
        statuses[status] = statuses.get(status, 0) + 1
    writer.close()
    await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    if b"content-length:" in lowered:
        length = int(lowered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
    elif b"chunked" in lowered:
        while (size := int(await reader.readline(), 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readline()
    return status
