"""Finding free loopback ports below the ephemeral range, where a retrying client can never connect to itself."""

import secrets
import socket

from neoapex.embedded.errors import PortTaken

HOST = "127.0.0.1"
EPHEMERAL_START = 32768


def is_free(port: int) -> bool:
    """True when a server could listen on ``port`` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """True when somebody accepts connections on ``port`` of the loopback address."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def next_free(first: int) -> int:
    """The first free port from ``first`` on; raises PortTaken when a thousand in a row are not."""
    for port in range(first, min(first + 1000, EPHEMERAL_START)):
        if is_free(port):
            return port
    raise PortTaken(f"No port is free from {first} on.")


def random_free() -> int:
    """A free port between 20000 and 29999, drawn so that stacks that start together seldom meet."""
    return next_free(20000 + secrets.randbelow(10000))
