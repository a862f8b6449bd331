"""Every page that is rendered lives under the strict content security policy, and says so in its headers."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from studio.models import User
from studio.states import GenerationState
from tests import factories
from tests.neoapex.addresses import pages

HTML = {"Accept": "text/html,*/*;q=0.8"}
LOADS = {
    "script": "src",
    "img": "src",
    "link": "href",
    "audio": "src",
    "source": "src",
    "iframe": "src",
    "form": "action",
}
PATHS = [
    path for path in pages() if not path.startswith(("/webhooks/", "/healthz", "/readyz", "/metrics", "/credits/"))
]


class Reader(HTMLParser):
    """Collects what the policy would block."""

    def __init__(self, nonce: str | None) -> None:
        super().__init__()
        self.nonce = nonce
        self.blocked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.blocked.append("an inline script")
        if tag == "style" and (self.nonce is None or given.get("nonce") != self.nonce):
            self.blocked.append("an inline style sheet without the nonce")
        self.blocked += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        self.blocked += [
            f"{tag} {value}" for value in given.values() if value.strip().lower().startswith("javascript:")
        ]
        address = given.get(LOADS.get(tag, ""), "")
        if re.match(r"(?i)\s*(//|[a-z]+:)", address) and not address.startswith("data:image/"):
            self.blocked.append(f"{tag} from {address}")


def assert_safe(answer: Any) -> None:
    policy = answer.headers["Content-Security-Policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == directives["base-uri"] == directives["frame-ancestors"] == "'none'"
    assert directives["script-src"] == directives["form-action"] == directives["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert "*" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    if answer.headers.get("Content-Type", "").startswith("text/html") and answer.content:
        nonce = re.search(r"'nonce-([^']+)'", policy)
        reader = Reader(nonce and nonce[1])
        reader.feed(answer.content.decode())
        assert reader.blocked == []


@pytest.fixture
def admin(browser: Client, ada: User) -> Client:
    """Everything may be seen by Ada: a musician with songs in every state who is the admin too."""
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    for state in GenerationState.values:
        generation = factories.make_generation(person=ada, state=state)
        if state == GenerationState.READY:
            factories.make_track(generation, title='"><script>alert(1)</script>')
    return browser


def test_every_page_lives_under_the_policy(admin: Client, ada: User) -> None:
    seen = 0
    for path in PATHS:
        answer = admin.get(path, headers=HTML)
        assert answer.status_code < 500, path
        assert_safe(answer)
        seen += answer.status_code == 200
    assert seen > 12


def test_every_page_for_strangers_lives_under_the_policy(stranger: Client, db: None) -> None:
    for path in [*PATHS, "/nope", "/api/docs"]:
        answer = stranger.get(path, headers=HTML)
        assert answer.status_code < 500, path
        assert_safe(answer)


def test_pages_of_songs_in_every_state_live_under_the_policy(admin: Client, ada: User) -> None:
    for generation in ada.generations.all():
        for name in ("song", "card"):
            answer = admin.get(reverse(name, args=[generation.pk]), headers=HTML)
            assert answer.status_code == 200
            assert_safe(answer)


def test_what_a_person_wrote_is_text_on_every_page(admin: Client, ada: User) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7|add:7 }}'
    recipe = {"prompt": None, "tags": [hostile], "lyrics": hostile}
    generation = factories.make_song(person=ada, songs=1, recipe=recipe)
    generation.tracks.update(title=hostile[:120])
    for path in ("/", reverse("song", args=[generation.pk]), f"/?recipe={generation.pk}", f"/?before={hostile}"):
        answer = admin.get(path, headers=HTML)
        assert_safe(answer)
        assert "<script>alert" not in answer.content.decode()


def test_refused_forms_live_under_the_policy(browser: Client) -> None:
    browser.handler.enforce_csrf_checks = False
    hostile = '"><script>alert(1)</script>'
    for headers in (HTML, HTML | {"HX-Request": "true"}):
        for path in ("/generations/", "/quote/", "/account/tokens/"):
            answer = browser.post(
                path, {"mode": "exact", "prompt": hostile, "tags": hostile, "name": hostile * 9}, headers=headers
            )
            assert answer.status_code < 500
            assert_safe(answer)
            assert "<script>alert" not in answer.content.decode()


def test_a_shaped_refusal_has_the_same_headers(browser: Client) -> None:
    for answer in (browser.delete("/healthz"), browser.get("/nope"), browser.post("/", b"x" * 300_000, "text/plain")):
        assert answer.status_code >= 400
        assert_safe(answer)


def test_pages_of_a_person_are_not_kept_on_the_way(browser: Client) -> None:
    for path in ("/", "/budget/", "/account/tokens/"):
        assert "no-store" in browser.get(path, headers=HTML).headers["Cache-Control"]
