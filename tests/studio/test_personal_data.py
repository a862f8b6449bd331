"""One person's data: all of it in one file, or forgotten so that the books still add up."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import CommandError, call_command

from studio import drafts, generations, personal_data, presets, tokens, trash
from studio.errors import SongsUnderWay
from studio.management.commands import export_person
from studio.models import Event, Generation, Track, User
from tests.ledger.books import assert_balanced
from tests.studio.people import DESCRIBED, aged, finished_song, kinds_of, money_of, submitted

WORDS = {"prompt": "a zeppelin full of marmalade"}


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss@example.com")


@pytest.fixture
def known(ada: User) -> Generation:
    tokens.create(ada, "Ada's laptop")
    drafts.save(ada, {"prompt": "purple umbrellas"})
    presets.save(ada, "Ada's", {"prompt": "purple umbrellas"})
    TOTP.activate(ada, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    generation = finished_song(ada)
    Generation.objects.filter(pk=generation.pk).update(
        recipe=generation.recipe | WORDS, written_lyrics="marmalade", raw_error="marmalade"
    )
    Track.objects.update(title="Marmalade")
    generation.refresh_from_db()
    return generation


def exported(email: str, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    call_command("export_person", email)
    return json.loads(capsys.readouterr().out)


def test_the_export_holds_what_hangs_on_the_person_from_every_table(
    known: Generation, ada: User, bo: User, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_song(bo)
    found = exported("ADA@example.com", capsys)
    tables = {
        "studio.user", "studio.accesstoken.person", "studio.draft.person", "studio.preset.person",
        "studio.generation.person", "studio.track.person", "studio.event.person", "ledger.budget.person",
        "ledger.quota.person", "ledger.entry.budget",
    }  # fmt: skip
    assert tables <= found.keys()
    [song] = found["studio.generation.person"]
    assert (song["id"], song["recipe"]["prompt"]) == (str(known.pk), WORDS["prompt"])
    assert len(found["ledger.entry.budget"]) == 1 + len(kinds_of(known))
    assert "bo@example.com" not in json.dumps(found)


def test_the_export_opens_nothing(known: Generation, capsys: pytest.CaptureFixture[str]) -> None:
    raw = json.dumps(exported("ada@example.com", capsys))
    assert "JBSWY3DP" not in raw
    assert not {'"digest"', '"password"', '"body_digest"'} & set(raw.replace(":", " ").split())


def test_an_export_of_nobody_is_an_error(db: None) -> None:
    with pytest.raises(CommandError, match="Nobody"):
        call_command(export_person.Command(), "nobody@example.com")


def test_what_is_erased_leaves_no_word_and_the_books_as_they_were(
    known: Generation, ada: User, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = money_of(ada)
    deleted: list[str] = []
    monkeypatch.setattr(trash, "default_storage", lambda: _Storage(deleted.extend))
    call_command("erase_person", "ada@example.com", "--author", "boss@example.com", "--reason", "asked for it")
    ada.refresh_from_db()
    assert ada.email == f"gone-{ada.pk}@anonymous.invalid"
    assert money_of(ada) == before
    assert_balanced()
    told = repr([list(model._default_manager.values()) for model in (User, Generation, Track, Event)])
    assert "armalade" not in told
    assert "umbrella" not in told
    assert trash.empty() == 1
    assert len(deleted) == 3
    kept = Generation.objects.get(pk=known.pk)
    assert (kept.state, kept.charged_micros, kept.seed) == (known.state, known.charged_micros, known.seed)


class _Storage:
    def __init__(self, delete: Callable[[list[str]], None]) -> None:
        self._delete = delete

    def delete(self, *keys: str) -> None:
        self._delete(list(keys))


def test_nobody_is_erased_while_a_song_of_theirs_is_at_fal(ada: User, boss: User) -> None:
    submitted(ada)
    with pytest.raises(SongsUnderWay):
        personal_data.erase(ada, author=boss, reason="asked for it")
    ada.refresh_from_db()
    assert (ada.is_active, ada.email) == (True, "ada@example.com")


def test_what_waits_is_given_back_first(ada: User, boss: User) -> None:
    waiting = aged(generations.start(person=ada, inputs=DESCRIBED))
    personal_data.erase(ada, author=boss, reason="asked for it")
    waiting.refresh_from_db()
    assert waiting.state == "CANCELLED"
    assert money_of(ada) == (0, 0)


@pytest.mark.parametrize(
    "arguments",
    [("nobody@example.com", "--author", "boss@example.com"), ("ada@example.com", "--author", "ada@example.com")],
)
def test_it_takes_a_person_and_an_admin(ada: User, boss: User, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("erase_person", *arguments, "--reason", "x")
    with pytest.raises(CommandError):
        call_command("erase_person", "ada@example.com", "--author", "boss@example.com", "--reason", " ")
    assert User.objects.filter(email="ada@example.com", is_active=True).exists()
