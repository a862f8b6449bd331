"""The library and the projects over HTTP, for programs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from studio import projects
from studio.errors import TrackNotReady
from studio.models import Project, Track, User
from tests import factories
from tests.neoapex.shapes import assert_structured


@pytest.fixture
def track(ada: User) -> Track:
    return factories.make_track(factories.make_generation(person=ada, state="READY"), title="Neon", words="rain")


@pytest.fixture
def other(ben: User, token_client: Callable[[User], Client]) -> Client:
    return token_client(ben)


def send(client: Client, method: str, path: str, body: object = None) -> Any:
    return client.generic(method, path, "" if body is None else json.dumps(body), content_type="application/json")


def test_tracks_are_listed_searched_and_paged(program: Client, ada: User, track: Track) -> None:
    factories.make_song(person=ada, songs=2)
    first = program.get("/api/tracks?limit=2").json()
    rest = program.get("/api/tracks", {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert len(first["items"]) == 2
    assert len(rest["items"]) == 1
    assert rest["next_cursor"] is None
    [found] = program.get("/api/tracks?q=neon+rai").json()["items"]
    assert found["id"] == str(track.pk)
    assert found["generation"] == str(track.generation_id)
    assert (found["rating"], found["favourite"], found["project"]) == (None, False, None)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "rating=6", "rating=x", "project=x", "month=2026-13", "month=x", "q=" + "x" * 201]
)
def test_a_filter_that_is_none_is_refused(program: Client, query: str) -> None:
    assert_structured(program.get(f"/api/tracks?{query}"), 422)


@pytest.mark.parametrize("query", ["q=%00%ff%7C%26!", "tag=%00", "cursor=x", "cursor=%00", "month=9999-12"])
def test_odd_words_find_what_they_find(program: Client, track: Track, query: str) -> None:
    assert program.get(f"/api/tracks?{query}").status_code == 200


def test_a_track_is_changed_in_one_call(program: Client, track: Track) -> None:
    album = send(program, "POST", "/api/projects", {"title": "Album"}).json()
    wanted = {"title": "New", "rating": 5.0, "favourite": True, "keeper": True, "project": album["id"]}
    changed = send(program, "PATCH", f"/api/tracks/{track.pk}", wanted)
    assert changed.status_code == 200
    assert {name: changed.json()[name] for name in wanted} == wanted
    same = send(program, "PATCH", f"/api/tracks/{track.pk}", {"title": None, "favourite": None, "keeper": None}).json()
    assert {name: same[name] for name in wanted} == wanted
    cleared = send(program, "PATCH", f"/api/tracks/{track.pk}", {"rating": None, "project": None}).json()
    assert (cleared["rating"], cleared["project"], cleared["title"]) == (None, None, "New")


@pytest.mark.parametrize(
    "wrong",
    [{"title": ""}, {"title": "  "}, {"title": 5}, {"title": "x" * 121}, {"rating": 0}, {"rating": 6}, {"rating": "5"},
     {"rating": True}, {"rating": 4.5}, {"favourite": 1}, {"project": "x"}, {"state": "READY"}, {"person": 1}],
    ids=repr,
)  # fmt: skip
def test_a_change_that_makes_no_sense_is_refused_whole(program: Client, track: Track, wrong: dict[str, object]) -> None:
    assert_structured(send(program, "PATCH", f"/api/tracks/{track.pk}", {"keeper": True} | wrong), 422)
    track.generation.refresh_from_db()
    assert track.generation.keeper is None


def test_a_project_lives_from_making_to_deleting(program: Client, track: Track) -> None:
    made = send(program, "POST", "/api/projects", {"title": "Album"})
    assert made.status_code == 201
    path = f"/api/projects/{made.json()['id']}"
    send(program, "PATCH", f"/api/tracks/{track.pk}", {"project": made.json()["id"]})
    assert send(program, "PATCH", path, {"title": "Night bus"}).json()["title"] == "Night bus"
    assert [project["title"] for project in program.get("/api/projects").json()["items"]] == ["Night bus"]
    assert [item["id"] for item in program.get(f"{path}/tracks").json()["items"]] == [str(track.pk)]
    assert program.delete(path).status_code == 204
    assert_structured(program.get(path), 404)
    assert program.get(f"/api/tracks/{track.pk}").json()["project"] is None


def test_members_and_links_are_told_to_the_owner_alone(program: Client, other: Client, ben: User, track: Track) -> None:
    made = send(program, "POST", "/api/projects", {"title": "Album"}).json()
    path = f"/api/projects/{made['id']}"
    send(program, "PATCH", f"/api/tracks/{track.pk}", {"project": made["id"], "rating": 2, "favourite": True})
    assert_structured(other.get(path), 404)
    member = send(program, "POST", f"{path}/members", {"email": ben.email})
    link = send(program, "POST", f"{path}/links", {"days": 3})
    assert (member.status_code, link.status_code) == (201, 201)
    whole = program.get(path).json()
    assert [one["email"] for one in whole["members"]] == [ben.email]
    assert [one["path"] for one in whole["links"]] == [link.json()["path"]]
    seen = other.get(path).json()
    assert (seen["is_own"], seen["owner"], seen["members"], seen["links"]) == (False, "ada", None, None)
    # What Ada thinks of it is hers.
    [item] = other.get(f"{path}/tracks").json()["items"]
    assert (item["rating"], item["favourite"]) == (None, False)
    for method, where in (("PATCH", path), ("DELETE", path), ("POST", f"{path}/links"), ("POST", f"{path}/members")):
        assert_structured(send(other, method, where, {"title": "x"} if method == "PATCH" else {}), 404)
    assert program.delete(f"{path}/links/{link.json()['id']}").status_code == 204
    assert program.delete(f"{path}/members/{member.json()['id']}").status_code == 204
    assert_structured(other.get(path), 404)
    assert_structured(program.delete(f"{path}/members/{member.json()['id']}"), 404)


def test_a_member_reaches_the_files_and_no_verb(
    program: Client, other: Client, ada: User, ben: User, track: Track
) -> None:
    album = projects.create(ada, "Album")
    projects.put_in(person=ada, track_ids=[track.pk], project_id=album.pk)
    files = [f"/api/tracks/{track.pk}/{name}" for name in ("recipe", "preview", "peaks", "download?format=mp3")]
    for path in files:
        assert assert_structured(other.get(path), 404)["hint"] == "Check the address, or look for it in your songs."
    projects.add_member(person=ada, project_id=album.pk, email=ben.email)
    assert other.get(files[0]).status_code == 200
    # There are no bytes in this studio: the file is missing, and the track is not.
    assert "recipe" in other.get(files[0]).json()
    for method, path in (
        ("GET", f"/api/tracks/{track.pk}"), ("DELETE", f"/api/tracks/{track.pk}"), ("PATCH", f"/api/tracks/{track.pk}"),
        ("GET", f"/api/tracks/{track.pk}/master"), ("POST", f"/api/tracks/{track.pk}/restore-from-trash"),
    ):  # fmt: skip
        assert_structured(send(other, method, path, {"title": "Mine"} if method == "PATCH" else None), 404)
    assert other.get("/api/tracks").json()["items"] == []


@pytest.mark.parametrize("days", [0, 366, "3", None, 3.5, True])
def test_a_link_lasts_a_year_at_most(program: Client, ada: User, days: object) -> None:
    album = projects.create(ada, "Album")
    assert_structured(send(program, "POST", f"/api/projects/{album.pk}/links", {"days": days}), 422)


def test_an_empty_project_has_no_zip(program: Client, ada: User) -> None:
    album = projects.create(ada, "Album")
    assert_structured(program.get(f"/api/projects/{album.pk}/zip"), 409, "track_not_ready")


def test_the_zip_of_a_project_comes_in_parts(
    program: Client, ada: User, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.takeaway.MAX_TRACKS", 2)
    album = projects.create(ada, "Album")
    asked: list[list[object]] = []

    def noted(*, track_ids: list[object], **_more: object) -> None:
        asked.append(track_ids)
        raise TrackNotReady

    monkeypatch.setattr("studio.takeaway.archive", noted)
    for _ in range(3):
        factories.make_track(factories.make_generation(person=ada, state="READY"), project=album)
    for part in (1, 2, 3):
        program.get(f"/api/projects/{album.pk}/zip?part={part}")
    assert [len(ids) for ids in asked] == [2, 1]


def test_too_many_of_anything_is_a_conflict(program: Client, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_PROJECTS", "MAX_LINKS"):
        monkeypatch.setattr(projects, name, 0)
    assert_structured(send(program, "POST", "/api/projects", {"title": "x"}), 409, "too_many_projects")
    album = Project.objects.create(person=ada, title="x")
    assert_structured(send(program, "POST", f"/api/projects/{album.pk}/links", {}), 409, "too_many_links")
