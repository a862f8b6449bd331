"""Logs as JSON lines that never carry a key, a link that logs in, or a person's words."""

import logging
import re
import sys
from pathlib import Path
from typing import Any

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


def configuration() -> dict[str, Any]:
    """What Django is told of it: lines of JSON, each with its request id."""
    # Commands answer on standard output, so their logs go to standard error; servers log where logs are collected.
    stream = sys.stderr if Path(sys.argv[0]).name == "manage.py" else sys.stdout
    request_id = {"()": "django_guid.log_filters.CorrelationId", "correlation_id_field": "request_id"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": request_id},
        "formatters": {"json": {"()": "neoapex.logs.JsonLines"}},
        "handlers": {
            "lines": {
                "class": "logging.StreamHandler",
                "stream": stream,
                "formatter": "json",
                "filters": ["request_id"],
            }
        },
        "root": {"handlers": ["lines"], "level": "INFO"},
        "loggers": {
            # Else whoever sends a strange X-Request-Id writes a line of their own with each request.
            "django_guid": {"level": "ERROR"},
            "httpx": {"level": "WARNING"},
            "celery": {"level": "INFO"},
            # Two lines for each ring would drown everything else; what was done is told by our own.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "django.server": {"level": "WARNING", "propagate": True},
        },
    }
