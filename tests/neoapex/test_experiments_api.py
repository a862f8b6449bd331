"""Experiments over HTTP: the names that programs rely on, and a refusal for whatever else they send."""

from typing import Any

import pytest
from django.test import Client

from ledger.models import Entry
from studio.models import Experiment, Generation, Track, User
from tests import factories
from tests.neoapex.shapes import assert_structured

FIXED: dict[str, Any] = {"prompt": None, "tags": factories.TAGS, "lyrics": factories.LYRICS}


@pytest.fixture
def track(ada: User) -> Track:
    return factories.make_song(person=ada, songs=1, recipe=FIXED).tracks.get()


def post(program: Client, path: str, body: Any, **headers: str) -> Any:
    return program.post(f"/api/experiments{path}", body, content_type="application/json", headers=headers)


def asked(track: Track, **more: Any) -> dict[str, Any]:
    return {"track": str(track.pk), "parameter": "vibe_strength", "values": [1.8, 2.4]} | more


def test_an_experiment_is_quoted_started_and_read(program: Client, track: Track) -> None:
    quote = post(program, "/quotes", asked(track)).json()
    assert (quote["cost"], quote["after"]) == ("0.1500", "9.7750")
    assert [arm["cost"] for arm in quote["arms"]] == ["0.0750", "0.0750"]
    answer = post(program, "", asked(track))
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body["parameter"] == "vibe_strength"
    assert body["verdicts"] == []
    assert body["locked"]["seed"] == str(track.generation.seed)
    assert [(arm["value"], arm["state"], arm["cost"], arm["reused"], arm["track"]) for arm in body["arms"]] == [
        (1.8, "QUEUED", "0.0750", False, None),
        (2.4, "QUEUED", "0.0750", False, None),
    ]
    assert program.get(f"/api/experiments/{body['id']}").json() == body


def test_the_same_key_again_is_the_same_experiment(program: Client, track: Track) -> None:
    key = {"Idempotency-Key": "once"}
    first = post(program, "", asked(track), **key)
    again = post(program, "", asked(track), **key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert_structured(post(program, "", asked(track, values=[1.9, 2.4]), **key), 409, "idempotency_conflict")


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": 5},
        {"num_songs": 2},
        {"lyrics": "other words"},
        {"values": [{"vibe_strength": 1.8, "seed": 1}, 2.4]},
        {"values": [[1.8], [2.4]]},
        {"values": {"0": 1.8, "1": 2.4}},
        {"values": None},
        {"parameter": {"vibe_strength": 1.8}},
        {"parameter": "vibe_strength,bpm"},
        {"track": "x"},
    ],
)
def test_whatever_else_is_sent_is_refused_and_costs_nothing(program: Client, track: Track, wrong: Any) -> None:
    entries = Entry.objects.count()
    assert_structured(post(program, "", asked(track) | wrong), 422)
    quoted = post(program, "/quotes", asked(track) | wrong)
    # A quote says why it can't start, unless it can't be read at all.
    assert quoted.status_code == 422 or (quoted.json()["cost"] is None and quoted.json()["reasons"])
    assert not Experiment.objects.exists()
    assert Entry.objects.count() == entries


def test_a_described_song_has_to_be_frozen_first(program: Client, ada: User) -> None:
    song = factories.make_song(person=ada, songs=2, written_tags=["waltz"], written_lyrics="[Verse]\nRain")
    track = song.tracks.earliest("variation")
    assert_structured(post(program, "", asked(track)), 422, "not_frozen")
    body = post(program, "", asked(track, freeze=True)).json()
    assert body["frozen"] is True
    assert body["locked"]["tags"] == ["waltz"]
    assert body["locked"]["num_songs"] == 1


def test_a_reused_arm_costs_nothing_and_is_ready(program: Client, ada: User) -> None:
    track = factories.make_song(person=ada, songs=1, recipe=FIXED | {"vibe_strength": 1.8}).tracks.get()
    from studio import already_made  # noqa: PLC0415

    Generation.objects.filter(pk=track.generation_id).update(recipe_digest=already_made.digest(track.generation))
    quote = post(program, "/quotes", asked(track)).json()
    assert quote["cost"] == "0.0750"
    assert quote["arms"][0]["existing"] == str(track.pk)
    [first, _second] = post(program, "", asked(track)).json()["arms"]
    assert (first["state"], first["cost"], first["reused"], first["track"]) == ("READY", "0.0000", True, str(track.pk))


def test_a_verdict_is_kept_and_read_again(program: Client, ada: User, track: Track) -> None:
    experiment = post(program, "", asked(track)).json()
    path = f"/{experiment['id']}/verdicts"
    assert_structured(post(program, path, {"choice": "A"}), 409, "nothing_to_judge")
    for generation in Generation.objects.filter(purpose="ARM"):
        factories.make_track(generation)
    arm = experiment["arms"][1]["id"]
    answer = post(program, path, {"choice": arm, "note": "nearer"})
    assert answer.status_code == 201
    assert_structured(post(program, path, {"choice": "Z"}), 422, "unknown_choice")
    assert_structured(post(program, path, {}), 422, "unknown_choice")
    [verdict] = program.get(f"/api/experiments/{experiment['id']}").json()["verdicts"]
    assert (verdict["arm"], verdict["value"], verdict["note"], verdict["blind"]) == (arm, 2.4, "nearer", False)


def test_an_arm_that_is_under_way_is_not_made_once_more(program: Client, track: Track) -> None:
    experiment = post(program, "", asked(track)).json()
    arm = experiment["arms"][0]
    path = f"/{experiment['id']}/arms/{arm['id']}/retry"
    assert_structured(post(program, path, {}), 409, "arm_not_failed")
    program.post(f"/api/generations/{arm['generation']}/cancel")
    assert post(program, path, {}).json()["state"] == "QUEUED"
    assert_structured(post(program, f"/{experiment['id']}/arms/{experiment['id']}/retry", {}), 404, "not_found")
