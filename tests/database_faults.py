"""A database that has no connection left, or only reads, for the tests that meet it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def reconnected(**differently: Any) -> Iterator[None]:
    """This thread's connection opened anew, in another way than before; and as before once this ends."""
    before = {name: connection.settings_dict[name] for name in differently}
    connection.close()
    connection.settings_dict.update(differently)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


@contextmanager
def no_connection_left() -> Iterator[None]:
    """PostgreSQL refuses each further connection, as it does when all that it allows are taken."""
    role, password = f"crowded_{secrets.token_hex(4)}", secrets.token_hex(8)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0 PASSWORD '{password}'")
    try:
        with reconnected(USER=role, PASSWORD=password):
            yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP ROLE {role}")


@contextmanager
def only_reading() -> Iterator[None]:
    """As a server is that another one took over from."""
    options = connection.settings_dict["OPTIONS"]
    with reconnected(OPTIONS={**options, "options": f"{options['options']} -c default_transaction_read_only=on"}):
        yield
