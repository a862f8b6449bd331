"""Projects as pages, and what a stranger sees who comes by a link."""

import re

import pytest
from django.test import Client
from limits import parse
from pytest_django import Settings

from studio import projects
from studio.models import Member, Project, ShareLink, Track, User
from tests import factories


@pytest.fixture
def album(ada: User) -> Project:
    return projects.create(ada, "Night bus")


@pytest.fixture
def track(ada: User, album: Project) -> Track:
    recipe = {"prompt": None, "tags": ["secret tag"], "lyrics": "Secret words"}
    generation = factories.make_generation(person=ada, state="READY", recipe=recipe)
    return factories.make_track(generation, title="Slow waltz", project=album)


@pytest.fixture
def address(ada: User, album: Project, track: Track) -> str:
    return f"/shared/{projects.key_of(projects.add_link(person=ada, project_id=album.pk))}/"


def test_a_project_is_made_renamed_and_deleted(browser: Client, ada: User) -> None:
    made = browser.post("/projects/", {"title": " Album "})
    project = Project.objects.get()
    assert made["Location"] == f"/projects/{project.pk}/"
    assert "Album" in browser.get("/projects/").content.decode()
    browser.post(f"/projects/{project.pk}/rename", {"title": "Night bus"})
    assert "Night bus" in browser.get(f"/projects/{project.pk}/").content.decode()
    browser.post(f"/projects/{project.pk}/delete")
    assert not Project.objects.exists()


def test_a_title_that_is_none_is_said_beside_its_field(browser: Client, album: Project) -> None:
    for path in ("/projects/", f"/projects/{album.pk}/rename"):
        answer = browser.post(path, {"title": " "})
        assert answer.status_code == 422
        assert "Use 1 to 120 characters." in answer.content.decode()


def test_members_and_links_come_and_go(browser: Client, ben: User, album: Project) -> None:
    page = f"/projects/{album.pk}/"
    wrong = browser.post(f"{page}members", {"email": "nobody@example.com"})
    assert wrong.status_code == 422
    assert "Nobody here has that address." in wrong.content.decode()
    assert "nobody@example.com" in wrong.content.decode()
    browser.post(f"{page}members", {"email": ben.email})
    browser.post(f"{page}links", {"days": "7"})
    html = browser.get(page).content.decode()
    assert ben.email in html
    assert "http://testserver/shared/" in html
    assert browser.post(f"{page}links", {"days": "x"}).status_code == 422
    browser.post(f"{page}members/{Member.objects.get().pk}/remove")
    browser.post(f"{page}links/{ShareLink.objects.get().pk}/revoke")
    html = browser.get(page).content.decode()
    assert ben.email not in html
    assert "/shared/" not in html


def test_a_member_listens_downloads_and_sees_no_more(
    browser: Client, ben_browser: Client, ben: User, track: Track
) -> None:
    page = f"/projects/{track.project_id}/"
    assert ben_browser.get(page).status_code == 404
    browser.post(f"{page}members", {"email": ben.email})
    html = ben_browser.get(page).content.decode()
    assert f"/api/tracks/{track.pk}/preview" in html
    assert f"/api/tracks/{track.pk}/download?format=wav" in html
    assert f"/api{page}zip" in html
    for part in ("ada@example.com", "Share by link", 'id="chosen"', f"/tracks/{track.pk}/change", "Delete the project"):
        assert part not in html, part
    assert "Night bus" in ben_browser.get("/projects/").content.decode()
    for path in ("rename", "delete", "members", "links"):
        assert ben_browser.post(page + path, {"title": "x", "email": "x", "days": "7"}).status_code == 404
    assert ben_browser.post(f"{page}leave")["Location"] == "/projects/"
    assert ben_browser.get(page).status_code == 404


# --- By a link ---


def test_a_stranger_sees_titles_and_who_and_listens(client: Client, address: str, track: Track) -> None:
    answer = client.get(address)
    html = answer.content.decode()
    assert answer.status_code == 200
    for part in (
        "Night bus",
        "by ada",
        "Slow waltz",
        f"{address}tracks/{track.pk}/preview",
        'id="player"',
        "<audio controls",
    ):
        assert part in html, part


def test_a_stranger_is_told_nothing_else(client: Client, ada: User, address: str, track: Track) -> None:
    other = factories.make_track(factories.make_generation(person=ada, state="READY"), title="Unshared")
    html = client.get(address).content.decode()
    for part in (
        "Secret words", "secret tag", str(track.generation.seed), str(track.generation_id), ada.email, "Unshared",
        str(other.pk), "/master", "/download", "/recipe", "/api/", "csrfmiddlewaretoken",
    ):  # fmt: skip
        assert part not in html, part


def test_nobody_is_told_of_the_link(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    assert "noindex" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", answer.content.decode())


def test_a_link_leads_to_no_master_and_no_other_track(client: Client, ada: User, address: str, track: Track) -> None:
    other = factories.make_track(factories.make_generation(person=ada, state="READY"))
    for path in (
        f"tracks/{other.pk}/preview",
        f"tracks/{other.pk}/peaks",
        f"tracks/{track.pk}/master",
        "tracks/x/preview",
    ):
        assert client.get(address + path).status_code == 404
    for path in (
        f"/api/tracks/{track.pk}/preview",
        f"/api/tracks/{track.pk}/master",
        f"/api/projects/{track.project_id}",
    ):
        assert client.get(path).status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_a_link_is_for_reading(client: Client, address: str, method: str) -> None:
    assert getattr(client, method)(address).status_code in {403, 405}


def test_a_link_that_opens_nothing_any_more_looks_like_one_that_never_did(client: Client, address: str) -> None:
    never = client.get("/shared/forged.key/")
    ShareLink.objects.update(revoked_at=ShareLink.objects.get().created_at)
    revoked = client.get(address)
    assert never.status_code == revoked.status_code == 404
    for answer in (never, revoked):
        assert "Night bus" not in answer.content.decode()


def test_an_empty_project_says_so(client: Client, track: Track, address: str) -> None:
    Track.objects.update(hidden=True)
    html = client.get(address).content.decode()
    assert "nothing to listen to" in html
    assert "Slow waltz" not in html


def test_somebody_of_the_studio_may_come_by_a_link_too(ben_browser: Client, address: str) -> None:
    html = ben_browser.get(address).content.decode()
    assert "Slow waltz" in html
    assert html.count('id="player"') == 1


def test_strangers_are_counted_here_as_everywhere(client: Client, address: str, settings: Settings) -> None:
    settings.NEOAPEX_ADDRESS_RATE = parse("2/minute")
    statuses = [client.get(address).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
