"""The ledger's functions with one line changed, to see that the line is needed."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def mutated(function: str, old: str, new: str) -> Iterator[None]:
    """As if `old` read `new` in the function's source; the text must be there just once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [function])
        (sound,) = cursor.fetchone()
        assert sound.count(old) == 1, f"{old!r} stands {sound.count(old)} times in {function}"
        cursor.execute(sound.replace(old, new))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(sound)
