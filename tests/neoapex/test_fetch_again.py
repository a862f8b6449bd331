"""Fetching a track again over HTTP: for its owner, for a week, for nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from studio.models import Track, User
from tests import factories
from tests.neoapex.shapes import assert_structured


def unreadable(person: User, **fields: Any) -> Track:
    generation = factories.make_generation(person=person, state="FAILED", charged_micros=0)
    reason: dict[str, Any] = {"reason_code": "source_truncated", "reason_message": "The song's file is incomplete."}
    return factories.make_track(generation, state="UNREADABLE", **reason, **fields)


def test_an_unreadable_track_says_why_and_waits_again_after_the_call(program: Client, ada: User) -> None:
    track = unreadable(ada)
    before = program.get(f"/api/generations/{track.generation_id}").json()["tracks"][0]
    assert before["reason"] == {"code": "source_truncated", "message": "The song's file is incomplete.", "whose": "fal"}
    for _ in range(2):
        answer = program.post(f"/api/tracks/{track.pk}/fetch-again")
        assert answer.status_code == 200
        assert (answer.json()["state"], answer.json()["reason"]) == ("PENDING", None)
    generation = program.get(f"/api/generations/{track.generation_id}").json()
    assert (generation["state"], generation["reason"], generation["charged"]) == ("INGESTING", None, "0.0000")
    told = generation["timeline"]
    assert [moment["says"] for moment in told[-2:]] == ["The song is fetched again", "Done; being saved"]
    assert told[0]["after_seconds"] is None
    assert all(moment["after_seconds"] >= 0 for moment in told[1:])


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"state": "READY"}, "track_is_ready"), ({"created_at": timezone.now() - timedelta(days=8)}, "file_forgotten")],
)
def test_what_can_not_be_fetched_again_is_refused_by_name(
    program: Client, ada: User, fields: dict[str, Any], code: str
) -> None:
    track = factories.make_track(
        factories.make_generation(person=ada, state="READY"), **({"state": "UNREADABLE"} | fields)
    )
    answer = program.post(f"/api/tracks/{track.pk}/fetch-again")
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert_structured(answer)


def test_another_persons_track_is_not_there(program: Client, ben: User) -> None:
    track = unreadable(ben)
    assert program.post(f"/api/tracks/{track.pk}/fetch-again").status_code == 404
