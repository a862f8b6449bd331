"""Logs as JSON lines that never carry a key, a link that logs in, or a person's words."""

import logging
import re

from pythonjsonlogger.json import JsonFormatter

# A fal key is `id:secret` behind the word Key; personal tokens start with nxa_; login links and signed URLs carry
# theirs as a parameter, links by mail in their path, database and broker in their URL. A value ends where JSON may end
# it, so what is left is JSON still.
SECRETS = re.compile(
    r"""(?ix)
    (
        \bbearer\s+ | \bkey\s+(?=[\w.-]+:) | \bnxa_
        | \b(?:sesame|token|signature|x-amz-[a-z-]+)=
        | /(?:password/reset/key|confirm-email)/
        | ://[^\s/:@"\\]*:(?=[^\s/@"\\]+@)
    )
    [^\s&"'\\@]+
    """
)
# PostgreSQL repeats a row that breaks a rule, and with it what a person wrote.
ROWS = re.compile(r"(Failing row contains \()(?:[^\"\\]|\\[^n])*")


def redact(line: str) -> str:
    return ROWS.sub(r"\1[redacted])", SECRETS.sub(r"\1[redacted]", line))


class JsonLines(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            "{asctime}{levelname}{name}{message}{request_id}",
            style="{",
            rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
        )

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
