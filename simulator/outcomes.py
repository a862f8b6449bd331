"""How a request ends: the status, body and headers that its result replays, and what it costs."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Self

from simulator.moods import Failure

UNIT_MICROS = 75_000
# Every type of model error has a heading on this page, and fal's answers link to it.
ERROR_URL = "https://docs.fal.ai/errors#"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`files` are the outputs as (path, content type, file name, bytes); paths become URLs only when presented."""

    status_code: int
    body: dict[str, Any]
    billable_units: float = 0.0
    error: str | None = None
    error_type: str | None = None
    needs_retry: bool = False
    files: tuple[tuple[str, str, str, int], ...] = ()

    @property
    def succeeded(self) -> bool:
        return self.status_code == 200

    @property
    def cost_micros(self) -> int:
        """One unit is one song; two in one request are a unit and a half."""
        return round(self.billable_units * UNIT_MICROS)

    def payload(self, base_url: str) -> dict[str, Any]:
        """The model's output as its caller sees it; `audio` is always a list."""
        if not self.succeeded:
            return self.body
        audio = [
            {"url": base_url + path, "content_type": content_type, "file_name": file_name, "file_size": size_bytes}
            for path, content_type, file_name, size_bytes in self.files
        ]
        return {"audio": audio, **self.body}

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        fields = json.loads(text)
        return cls(**{**fields, "files": tuple(tuple(file) for file in fields["files"])})


class ModelError(Exception):
    """The model refuses or fails; `outcome` is what its caller gets."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


def refusal(kind: str, message: str, *fields: str) -> ModelError:
    """A 422 with one problem, in the body or in a field of it."""
    return ModelError(model_failure([problem(kind, message, ("body", *fields))]))


def problem(kind: str, message: str, loc: tuple[str | int, ...], **more: object) -> dict[str, Any]:
    """One entry of fal's model error list."""
    return {"loc": list(loc), "msg": message, "type": kind, "url": ERROR_URL + kind, **more}


def model_failure(
    detail: list[dict[str, Any]] | str,
    status_code: int = 422,
    *,
    needs_retry: bool = False,
    billable_units: float = 0.0,
) -> Outcome:
    kind = detail[0]["type"] if isinstance(detail, list) else None
    error = f"Invalid status code: {status_code}"
    return Outcome(status_code, {"detail": detail}, billable_units, error, kind, needs_retry)


def infrastructure_failure(status_code: int, kind: str, text: str) -> Outcome:
    """fal's own machinery failed: a text, an error type, never billed."""
    body = {"detail": text, "error_type": kind}
    return Outcome(status_code, body, 0.0, f"Invalid status code: {status_code}", kind, needs_retry=status_code >= 500)


# What fal says of a cancelled request is not documented; its error table has this type and status for it.
CANCELLED = infrastructure_failure(499, "client_cancelled", "Request cancelled by the client.")
START_TIMEOUT = infrastructure_failure(504, "request_timeout", "Request timed out before processing started.")
CRASHED = model_failure("Internal Server Error", 500, needs_retry=True)
# A success that says nothing true: what a webhook tells that contradicts a failure.
NOTHING_MADE = Outcome(200, {"seed": 0, "tags": [], "lyrics": ""})

_TEXTS: dict[str, tuple[int, str]] = {
    "content_policy_violation": (422, "The content was flagged by a content checker and could not be processed."),
    "no_media_generated": (422, "No media was generated."),
    "internal_server_error": (500, "Internal server error"),
    "downstream_service_error": (500, "Downstream service error"),
    "generation_timeout": (504, "Generation timeout"),
}
_MACHINERY: dict[str, tuple[int, str]] = {
    "startup_timeout": (504, "The runner did not start in time."),
    "runner_disconnected": (503, "The runner disconnected while it was processing the request."),
}


def told_to_fail(failure: Failure, billable_units: float) -> Outcome:
    """The outcome for a mood's `fail`."""
    if failure == "validation_text":
        return model_failure("The input could not be processed.", billable_units=billable_units)
    if failure == "validation_list":
        entry = problem("value_error", "Value error, this input is not accepted", ("body", "prompt"), input="")
        return model_failure([entry], billable_units=billable_units)
    if failure in _MACHINERY:
        status_code, text = _MACHINERY[failure]
        return infrastructure_failure(status_code, failure, text)
    status_code, text = _TEXTS[failure]
    detail = [problem(failure, text, ("body",))]
    return model_failure(detail, status_code, needs_retry=status_code >= 500, billable_units=billable_units)
