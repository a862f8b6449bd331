import inspect
import pickle
import re
from typing import Any

import pytest

from studio.fal import errors
from studio.fal.answers import outcome_error
from studio.fal.errors import FalError, FieldProblem, GenerationFailed, Said

FAMILY = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, FalError)]


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_has_a_code_of_its_own_and_texts_for_people(kind: type[FalError]) -> None:
    error = kind()
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert [one.code for one in FAMILY].count(error.code) == 1
    assert error.whose in {"you", "fal", "us"}
    assert str(error) == error.message
    assert error.message.endswith(".")
    assert error.hint.endswith(".")


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_survives_the_way_through_a_queue(kind: type[FalError]) -> None:
    sent = kind(
        "Text.", hint="Hint.", code="own_code", whose="us", said=Said(503, "id", raw="raw", retry_after_seconds=3)
    )
    arrived = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own bytes
    assert (type(arrived), arrived.__dict__) == (kind, sent.__dict__)


def outcome(payload: Any, error: str | None = "Invalid status code: 422") -> GenerationFailed:
    return outcome_error(payload, error)


def test_a_callbacks_detail_names_our_fields() -> None:
    failed = outcome(
        {"detail": [{"loc": ["body", "lyrics_prompt"], "msg": "field required", "type": "value_error.missing"}]}
    )
    assert failed.problems == (FieldProblem("lyrics", "field required"),)
    assert failed.message == "Sonauto does not accept this input. Lyrics: field required"
    assert (failed.code, failed.whose, failed.status_code) == ("input_refused", "you", 422)
    assert failed.error_type == "value_error.missing"


def test_a_section_is_named_by_our_path() -> None:
    failed = outcome({"detail": [{"loc": ["body", "sections", 0, "end"], "msg": "bad", "type": "value_error"}]})
    assert failed.problems == (FieldProblem("section.0.end", "bad"),)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"detail": "Request cancelled by the client."}, "Invalid status code: 499"),
        ({"detail": "x", "error_type": "client_cancelled"}, "Invalid status code: 500"),
        ({"detail": "x", "error_type": "client_cancelled"}, None),
        ({"detail": "x", "error_type": "client_disconnected"}, "Invalid status code: 499"),
    ],
)
def test_a_cancelled_request_is_recognised(payload: Any, error: str | None) -> None:
    failed = outcome(payload, error)
    assert failed.cancelled
    assert failed.code == "client_cancelled"


def test_another_failure_is_no_cancellation() -> None:
    assert not outcome({"detail": "cancelled"}, "Invalid status code: 500").cancelled


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        [],
        "text",
        7,
        {"detail": None},
        {"detail": []},
        {"detail": [None, 7, "x"]},
        {"detail": [{}]},
        {"detail": [{"loc": "body", "msg": None, "type": 5}]},
        {"detail": {"a": 1}},
        {"detail": [{"loc": ["body", {"a": 1}], "msg": ["x"], "type": "t" * 500}] * 99},
        {"error_type": 5},
    ],
)
@pytest.mark.parametrize(
    "error", [None, "", "Invalid status code: 422", "Invalid status code: 500", "Invalid status code: 99999", "odd"]
)
def test_whatever_a_callback_says_becomes_a_reason(payload: Any, error: str | None) -> None:
    failed = outcome(payload, error)
    assert failed.message
    assert failed.hint
    assert failed.status_code in {None, 422, 500}
    assert len(failed.raw) <= 2_000
    assert len(failed.problems) <= 20


def test_a_callback_without_a_payload_keeps_its_text_for_the_fold() -> None:
    assert outcome(None, "Invalid status code: 502").raw == "Invalid status code: 502"


def test_the_fold_repeats_no_lyrics() -> None:
    detail = [{"loc": ["body", "lyrics_prompt"], "msg": "too long", "type": "x", "input": "my secret lyrics"}]
    failed = outcome({"detail": detail})
    assert "secret" not in f"{failed.raw}{failed.message}{failed.problems}"
    assert "too long" in failed.raw


@pytest.mark.parametrize(
    ("error_type", "whose"),
    [
        ("content_policy_violation", "you"),
        ("no_media_generated", "fal"),
        ("file_download_error", "us"),
        ("file_too_large", "you"),
        ("unsupported_audio_format", "us"),
        ("audio_duration_too_long", "you"),
        ("audio_duration_too_short", "you"),
    ],
)
def test_each_of_the_models_reasons_says_whose_it_is(error_type: str, whose: str) -> None:
    failed = outcome({"detail": [{"loc": ["body"], "msg": "x", "type": error_type}]})
    assert (failed.code, failed.whose) == (error_type, whose)


@pytest.mark.parametrize("error_type", ["runner_disconnected", "request_timeout", "startup_timeout", "internal_error"])
def test_an_infrastructure_failure_is_fals(error_type: str) -> None:
    failed = outcome({"detail": "x", "error_type": error_type}, "Invalid status code: 503")
    assert (failed.code, failed.whose) == (error_type, "fal")
