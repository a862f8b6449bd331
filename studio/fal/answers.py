"""Reads fal's answers: which of our errors an HTTP answer or a webhook body is, in words for musicians."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from studio.fal.errors import (
    RAW_MAX_CHARACTERS,
    AccountLocked,
    Ambiguous,
    EndpointRetired,
    FieldProblem,
    GenerationFailed,
    InputRefused,
    KeyRefused,
    NotAccepted,
    Refused,
    Said,
    Unreachable,
    WhoseFault,
)
from studio.fal.fields import OUR_NAMES, label
from studio.fal.resilience import parse_retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read whole and without our key in it; header names in lower case."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def json(self) -> object:
        """None where the body is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def has_request_id(self) -> bool:
        """fal's own services set this header; a proxy in front of them that fails does not."""
        return "x-fal-request-id" in self.headers

    @property
    def is_the_models(self) -> bool:
        """Carries what a model alone says: billed units, or problems by field."""
        body = self.json
        by_field = isinstance(body, dict) and isinstance(body.get("detail"), list)
        return by_field or "x-fal-billable-units" in self.headers

    @property
    def is_replay(self) -> bool:
        """The same, or an error type, which fal's machinery gives to a finished request's answer and to its own."""
        body = self.json
        typed = isinstance(body, dict) and "error_type" in body
        return self.is_the_models or typed or "x-fal-error-type" in self.headers

    @property
    def is_from_fal(self) -> bool:
        """Can be the replay of a model's failure, and not a gateway's or a proxy's own refusal."""
        if self.is_replay:
            return True
        if self.status_code < 400 or self.status_code in {401, 402, 403, 408, 429}:
            return False
        body = self.json
        return self.has_request_id or (self.status_code < 500 and isinstance(body, dict) and "detail" in body)

    @property
    def billable_units(self) -> Decimal | None:
        try:
            units = Decimal(self.headers.get("x-fal-billable-units", ""))
        except InvalidOperation:
            return None
        return units if units.is_finite() and units >= 0 else None

    def said(self) -> Said:
        body = self.json
        return Said(
            status_code=self.status_code,
            request_id=self.headers.get("x-fal-request-id"),
            error_type=_error_type(body) or self.headers.get("x-fal-error-type"),
            raw=_raw(body if body is not None else self.body.decode(errors="replace")),
            retry_after_seconds=parse_retry_after(self.headers.get("retry-after"), datetime.now(UTC)),
            billable_units=self.billable_units,
        )


def submit_error(answer: Answer) -> NotAccepted | Refused | Ambiguous:
    """What a submit's answer other than 2xx means."""
    said = answer.said()
    code = answer.status_code
    if code == 429:
        return NotAccepted("fal.ai's queue is full just now.", said=said)
    if code == 503 and not answer.has_request_id:
        return NotAccepted("fal.ai is not available just now.", said=said, provider_failed=True)
    if code in _REFUSALS:
        return _refusal(said, answer.json)
    return Ambiguous(said=said, provider_failed=code >= 500)


_REFUSALS: Final = {400, 401, 402, 403, 404, 410, 422}


def _refusal(said: Said, body: object) -> Refused:
    match said.status_code:
        case 401:
            return KeyRefused(said=said, provider_failed=True)
        case 402:
            return AccountLocked(said=said, provider_failed=True)
        case 403 if re.search(r"locked|balance", said.raw, re.IGNORECASE):
            return AccountLocked(said=said, provider_failed=True)
        case 404 | 410:
            return EndpointRetired(said=said)
    if _is_about_the_input(said, field_problems(body)):
        return _input_refused(said, body)
    return Refused(said=said)


def _input_refused(said: Said, body: object) -> InputRefused:
    problems = field_problems(body)
    message, hint = _REASONS[said.error_type][1:] if said.error_type in _REASONS else (_sentence(problems), "")
    error = InputRefused(message, hint=hint, said=said)
    error.problems = problems
    return error


def unreachable(answer: Answer) -> Unreachable:
    said = answer.said()
    shut_out = answer.status_code in {401, 402, 403}
    message = "fal.ai does not let the studio look at its requests." if shut_out else ""
    return Unreachable(message, said=said, provider_failed=answer.status_code >= 500 or shut_out)


def outcome_error(payload: object, error: str | None) -> GenerationFailed:
    """The failure in a webhook's ERROR body: equal in code, message, hint and whose to the one that a result gives."""
    found = re.search(r"Invalid status code: (\d{3})\b", error or "")
    raw = _raw(payload) if payload else (error or "")[:RAW_MAX_CHARACTERS]
    said = Said(int(found[1]) if found else None, error_type=_error_type(payload), raw=raw)
    return generation_failed(said, payload)


def generation_failed(said: Said, body: object) -> GenerationFailed:
    """The model's failure as an error with a reason that says who can do something about it."""
    problems = field_problems(body)
    cancelled = said.status_code == 499 or said.error_type == "client_cancelled"
    kind = "client_cancelled" if cancelled else said.error_type or ""
    if kind in _REASONS:
        whose, message, hint = _REASONS[kind]
    elif _is_about_the_input(said, problems):
        kind, whose, message, hint = "input_refused", "you", _sentence(problems), InputRefused.default_hint
    else:
        kind, whose, message, hint = "", "fal", "", ""
    error = GenerationFailed(message, hint=hint, code=kind, whose=whose, said=said)
    error.problems, error.cancelled = problems, cancelled
    return error


def field_problems(body: object) -> tuple[FieldProblem, ...]:
    """The problems of a `detail`, which fal sends as a list of objects or as one string."""
    detail = body.get("detail") if isinstance(body, Mapping) else None
    if isinstance(detail, str):
        return (FieldProblem("", detail[:300]),)
    if not isinstance(detail, list):
        return ()
    return tuple(_field_problem(item) for item in detail[:20] if isinstance(item, Mapping))


def _field_problem(item: Mapping[str, Any]) -> FieldProblem:
    loc = item.get("loc")
    path = [str(part) for part in loc if part != "body"] if isinstance(loc, list) else []
    path = [OUR_NAMES.get(part, part)[:60] for part in path]
    return FieldProblem(".".join(path), str(item.get("msg", ""))[:300])


def _is_about_the_input(said: Said, problems: tuple[FieldProblem, ...]) -> bool:
    return said.status_code == 422 or (said.status_code == 400 and any(problem.field for problem in problems))


def _sentence(problems: tuple[FieldProblem, ...]) -> str:
    """The problems as one text; "" when fal said nothing usable, so that the default stands."""
    texts = [f"{label(problem.field)}: {problem.message}" if problem.field else problem.message for problem in problems]
    text = "; ".join(text for text in texts if text)
    return f"Sonauto does not accept this input. {text}" if text else ""


def _error_type(body: object) -> str | None:
    """Infrastructure errors carry `error_type`, model errors a `type` for each detail."""
    if not isinstance(body, Mapping):
        return None
    detail = body.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else None
    found = body.get("error_type") or (first.get("type") if isinstance(first, Mapping) else None)
    return found[:100] if isinstance(found, str) else None


def _raw(body: object) -> str:
    """The text for the fold. A detail's `input` repeats prompt and lyrics, which have no place in a log."""
    detail = body.get("detail") if isinstance(body, Mapping) else None
    if isinstance(detail, list):
        lines = [
            f"{item.get('loc')}: {item.get('msg')} ({item.get('type')})" for item in detail if isinstance(item, Mapping)
        ]
        text = "\n".join(lines)
    elif isinstance(body, str):
        text = body
    else:
        text = json.dumps(body, ensure_ascii=False, default=str)
    return text[:RAW_MAX_CHARACTERS]


# fal's error types: whose it is, the message and the hint. Types that are not here are explained by their status code.
_TOOK_TOO_LONG: Final = ("fal", "Sonauto took too long for this song.", "Try again.")
_PROVIDER: Final = ("fal", "Sonauto had a problem of its own.", "Try again in a moment.")
_RUNNER: Final = ("fal", "fal.ai's machines had a problem.", "Try again in a moment.")
_SOURCE: Final = "The source audio "

_REASONS: Final[Mapping[str | None, tuple[WhoseFault, str, str]]] = {
    "client_cancelled": ("you", "The song was cancelled.", "You can ask for it again whenever you like."),
    "content_policy_violation": (
        "you",
        "The content rules at fal.ai refused these words.",
        "Change the prompt, the lyrics or the tags and try again.",
    ),
    "no_media_generated": ("fal", "Sonauto finished without any audio.", "Try again, best with another seed."),
    "generation_timeout": _TOOK_TOO_LONG,
    "request_timeout": _TOOK_TOO_LONG,
    "startup_timeout": _TOOK_TOO_LONG,
    "internal_server_error": _PROVIDER,
    "downstream_service_error": _PROVIDER,
    "downstream_service_unavailable": _PROVIDER,
    "internal_error": _RUNNER,
    "runner_scheduling_failure": _RUNNER,
    "runner_connection_timeout": _RUNNER,
    "runner_disconnected": _RUNNER,
    "runner_connection_refused": _RUNNER,
    "runner_connection_error": _RUNNER,
    "runner_incomplete_response": _RUNNER,
    "runner_server_error": _RUNNER,
    "file_download_error": ("us", f"{_SOURCE}could not be fetched by fal.ai.", "Tell the studio's admin."),
    "file_too_large": ("you", f"{_SOURCE}is too large for Sonauto.", "Use a shorter track."),
    "unsupported_audio_format": ("us", f"{_SOURCE}is in a format that Sonauto does not read.", "Use a WAV or an MP3."),
    "audio_duration_too_long": ("you", f"{_SOURCE}is too long for Sonauto.", "Use a shorter track."),
    "audio_duration_too_short": ("you", f"{_SOURCE}is too short for Sonauto.", "Use a longer track."),
}
