"""Every address of the studio, as the URL configuration and the API's own description list them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

from neoapex.api import api

SOME_ID = "11111111-1111-4111-8111-111111111111"
# Something for every kind of part that an address may have.
FILLINGS: Mapping[str, str] = {"uuid": SOME_ID, "int": "7", "str": "x", "path": "x", "slug": "x"}
PART = re.compile(r"<(?:(\w+):)?(\w+)>")


@dataclass(frozen=True)
class Operation:
    method: str
    path: str


def pages() -> list[str]:
    """All addresses but the API's and the catch-all of static files, with something in place of each id."""
    found = sorted({path for path in _walk(get_resolver().url_patterns, "/") if not path.startswith("/api/")})
    assert len(found) > 30
    return found


def _walk(patterns: Sequence[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for pattern in patterns:
        path = before + _fill(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield path


def _fill(route: str) -> str:
    if "(?P" in route or route.startswith("^"):
        route = re.sub(r"\(\?P<\w+>[^)]*\)", "x", route)
        route = route.removeprefix("^").removesuffix("$").replace("\\Z", "").replace("\\", "")
    return PART.sub(lambda part: FILLINGS[part[1] or "str"], route)


def operations(ids: str = SOME_ID) -> list[Operation]:
    """Everything that the API says it takes, with `ids` in place of each id."""
    found = [
        Operation(method.upper(), re.sub(r"\{[^}]*\}", ids, path))
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    ]
    assert len(found) > 8
    return found
