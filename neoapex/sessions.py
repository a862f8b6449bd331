"""Sessions in the database, under keys of the form that we give."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str) -> bool:
        """What is no key of ours, NUL characters above all, never reaches the database, which would fail on it."""
        return bool(super()._validate_session_key(key)) and key.isascii() and key.isalnum()  # type: ignore[misc]
