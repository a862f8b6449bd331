"""Retouches, extensions and lineage over HTTP, as programs meet them."""

import json
from typing import Any

from django.test import Client

from studio.models import Generation, Retouch, Track, User
from tests.neoapex.shapes import assert_structured
from tests.retouch.scenes import WORDS, delivered, last_take
from tests.studio.people import ONE_SONG, money_of


def post(client: Client, path: str, body: Any = None, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/{path}", json.dumps({} if body is None else body), "application/json", headers=headers)


def start(client: Client, track: Track, key: str = "", **more: Any) -> Any:
    return post(client, "retouches", {"track": str(track.pk), **WORDS, **more}, key)


def test_a_retouch_is_begun_judged_retried_and_accepted(program: Client, ada: User, track: Track) -> None:
    begun = start(program, track)
    assert begun.status_code == 201, begun.content
    body = begun.json()
    assert body["section"] == {"start": 8.0, "end": 12.0}
    assert (body["state"], body["track"], body["retries_left"]) == ("OPEN", str(track.pk), 3)
    [take] = body["takes"]
    assert (take["state"], take["cost"], take["track"], take["verdict"]) == ("QUEUED", "0.0750", None, None)
    assert isinstance(take["seed"], str)
    retouch = Retouch.objects.get()
    pending = post(program, f"retouches/{retouch.pk}/takes", {"reason": "GLITCH"})
    assert_structured(pending, 409, "take_pending")
    made = delivered(last_take(retouch))
    retried = post(program, f"retouches/{retouch.pk}/takes", {"reason": "glitch", "note": "a click", "keep_seed": True})
    assert retried.status_code == 201
    first, second = retried.json()["takes"]
    assert first["verdict"] == {"reason": "GLITCH", "note": "a click"}
    assert first["seed"] == second["seed"]
    assert retried.json()["retries_left"] == 2
    accepted = post(program, f"retouches/{retouch.pk}/accept", {"take": first["id"]})
    assert accepted.status_code == 200
    assert accepted.json()["state"] == "ACCEPTED"
    assert [take["accepted"] for take in accepted.json()["takes"]] == [True, False]
    assert program.get(f"/api/tracks/{made.pk}").status_code == 200
    assert post(program, f"retouches/{retouch.pk}/undo").json()["state"] == "OPEN"
    assert post(program, f"retouches/{retouch.pk}/abandon").json()["state"] == "ABANDONED"
    assert_structured(post(program, f"retouches/{retouch.pk}/takes", {"reason": "x"}), 409, "retouch_over")


def test_the_fourth_retry_is_refused_by_its_own_code(program: Client, ada: User, track: Track) -> None:
    retouch = Retouch.objects.get(pk=start(program, track).json()["id"])
    for _ in range(3):
        delivered(last_take(retouch))
        assert post(program, f"retouches/{retouch.pk}/takes", {"reason": "OTHER"}).status_code == 201
    refused = post(program, f"retouches/{retouch.pk}/takes", {"reason": "OTHER"})
    assert_structured(refused, 409, "retries_exhausted")
    assert refused.json()["hint"]


def test_the_same_key_again_is_the_same_retouch(program: Client, track: Track) -> None:
    first, again = start(program, track, "k"), start(program, track, "k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert_structured(start(program, track, "k", lyrics="x"), 409, "idempotency_conflict")


def test_bad_requests_say_what_is_wrong_and_hold_nothing(program: Client, ada: User, track: Track) -> None:
    track_id = str(track.pk)
    for body, status, code in (
        ({}, 422, "required"),
        ({"track": 7}, 422, "required"),
        ({"track": "x"}, 404, "not_found"),
        ({"track": track_id}, 422, "required"),
        ({"track": track_id, **WORDS, "source_audio": "TAPE"}, 422, "not_offered"),
        ({"track": track_id, **WORDS, "source_audio": []}, 422, "not_offered"),
        ({"track": track_id, **WORDS, "section": {"start": float("nan"), "end": 3}}, 422, "out_of_range"),
        ({"track": track_id, **WORDS, "section": {"start": 5, "end": 5.01}}, 422, "section_too_short"),
    ):
        assert_structured(post(program, "retouches", body), status, code)
    assert_structured(post(program, "extensions", {"track": track_id}), 422, "required")
    assert_structured(post(program, "extensions", {"track": track_id, "side": "up"}), 422, "not_offered")
    crop = {"track": track_id, "side": "left", "crop_duration": 19.5}
    assert_structured(post(program, "extensions", crop), 422, "crop_too_long")
    assert money_of(ada) == (0, ONE_SONG)


def test_a_verdict_is_judged_as_strictly(program: Client, track: Track) -> None:
    path = f"retouches/{start(program, track).json()['id']}/takes"
    for body, code in (
        ({"reason": 7}, "wrong_type"),
        ({"reason": "a\0"}, "wrong_type"),
        ({"reason": "\ud800"}, "wrong_type"),
        ({"keep_seed": "yes"}, "wrong_type"),
        ({"verdict": "x"}, "unknown_field"),
    ):
        assert_structured(post(program, path, body), 422, code)
    accept = path.replace("takes", "accept")
    assert_structured(post(program, accept), 422, "required")
    assert_structured(post(program, accept, {"take": "x"}), 404, "not_found")


def test_an_extension_goes_on_with_the_tracks_own_words(program: Client, ada: User, track: Track) -> None:
    answer = post(program, "extensions", {"track": str(track.pk), "side": "right", "extend_duration": 8}, "once")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["endpoint"], body["state"], body["cost"]) == ("extend", "QUEUED", "0.0750")
    assert body["recipe"]["tags"] == ["folk"]
    assert body["recipe"]["lyrics"] == track.generation.recipe["lyrics"]
    made = Generation.objects.get(pk=body["id"])
    assert (made.purpose, made.source_id) == ("EXTENSION", track.pk)
    again = {"track": str(track.pk), "side": "right", "extend_duration": 8}
    assert post(program, "extensions", again, "once").status_code == 200
    other = {"track": str(track.pk), "side": "left", "prompt": "rain", "num_songs": 2}
    both = post(program, "extensions", other).json()
    assert (both["recipe"]["tags"], both["cost"]) == (None, "0.1125")


def test_nobody_sees_anothers_retouch(client_of_ben: Client, program: Client, track: Track) -> None:
    retouch_id = start(program, track).json()["id"]
    assert_structured(client_of_ben.get(f"/api/retouches/{retouch_id}"), 404, "not_found")
    assert_structured(start(client_of_ben, track), 404, "not_found")
    assert_structured(client_of_ben.get(f"/api/tracks/{track.pk}/lineage"), 404, "not_found")
    for act in ("takes", "accept", "abandon", "undo"):
        assert_structured(post(client_of_ben, f"retouches/{retouch_id}/{act}"), 404, "not_found")
