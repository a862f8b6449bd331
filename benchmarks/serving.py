"""Three ways to serve the same Django view: why the studio runs WSGI inside an ASGI router."""

import os
from contextlib import ExitStack

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.load import Load
from benchmarks.ratios import Ratio
from benchmarks.webhook_accept import ROUNDS, send_to_bare
from benchmarks.webhook_peers import bare_site

WAYS = {"application": "asgi", "django_asgi": "asgi", "wsgi": "wsgi"}


def run() -> list[Ratio]:
    """Requests per second of the router over Django's own ASGI handler, and over pure WSGI; interleaved, median."""
    key = Ed25519PrivateKey.generate()
    with ExitStack() as stack:
        database_url = os.environ["DATABASE_URL"]
        ports = {
            name: stack.enter_context(bare_site(database_url, key, name, interface)) for name, interface in WAYS.items()
        }
        rounds = [{name: send_to_bare(key, port) for name, port in ports.items()} for _ in range(ROUNDS + 1)][1:]
    return [
        _over(rounds, "django_asgi", "the router with WSGI, over Django's own ASGI handler", "> 1"),
        _over(rounds, "wsgi", "the router with WSGI, over pure WSGI without event streams", "information"),
    ]


def _over(rounds: list[dict[str, Load]], peer: str, name: str, aim: str) -> Ratio:
    pairs = [(loads["application"].requests_per_second, loads[peer].requests_per_second) for loads in rounds]
    detail = f"{max(mine for mine, _ in pairs):.0f}/s against {max(theirs for _, theirs in pairs):.0f}/s at best"
    return Ratio(name, [mine / theirs for mine, theirs in pairs], aim, detail)
