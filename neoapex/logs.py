"""Logs as JSON lines that never carry a key, a link that logs in, or a person's words."""

import logging
import re

from pythonjsonlogger.json import JsonFormatter

# A fal key is `id:secret` behind the word Key; personal tokens start with nxa_; login links and signed URLs carry
# theirs as a parameter.
SECRETS = re.compile(r"(?i)(\b(?:key|bearer)\s+|[?&](?:sesame|token|signature|x-amz-[a-z]+)=|\bnxa_)[^\s&\"']+")


def redact(line: str) -> str:
    return SECRETS.sub(r"\1[redacted]", line)


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
