"""A `recipe.json` fills the composer; a file that is none says what is wrong with it, and nothing is lost."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from studio import already_made, drafts, recipe_files, recipes
from studio.errors import InvalidInput, NoRecipe
from studio.models import Generation, Track, User
from tests import factories

FIXED: dict[str, Any] = {"prompt": None, "tags": factories.TAGS, "lyrics": factories.LYRICS, "bpm": None}


@pytest.fixture
def track(ada: User) -> Track:
    song = factories.make_song(person=ada, songs=1, recipe=FIXED)
    Generation.objects.filter(pk=song.pk).update(recipe_digest=already_made.digest(song))
    return song.tracks.get()


def send(browser: Client, content: bytes) -> Any:
    return browser.post("/recipes/bring", {"recipe_file": SimpleUploadedFile("recipe.json", content)})


def test_what_the_studio_wrote_comes_back_exactly(track: Track) -> None:
    read = recipe_files.read(recipes.as_file(track))
    assert read == track.generation.recipe
    assert already_made.digest_of("text-to-music", read) == already_made.digest(track.generation)


def test_a_recipe_fills_the_composer_and_finds_the_song_that_is_there(browser: Client, track: Track) -> None:
    answer = send(browser, recipes.as_file(track))
    assert answer.status_code == 200
    page = answer.content.decode()
    assert str(track.generation.seed) in page
    assert "The kettle hums" in page
    assert "data-already" in page
    assert Generation.objects.count() == 1


def changed(track: Track, **inputs: Any) -> bytes:
    document = recipes.document(track)
    return json.dumps(document | {"recipe": document["recipe"] | inputs}).encode()


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[]", b"{}", b'{"recipe": 3}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_recipe_is_said_so(content: bytes) -> None:
    with pytest.raises(NoRecipe):
        recipe_files.read(content)


def test_a_file_that_is_too_large_is_not_read_to_its_end() -> None:
    with pytest.raises(NoRecipe, match="larger"):
        recipe_files.read(b" " * (recipe_files.MAX_BYTES + 1))


def test_a_recipe_of_a_retouch_can_not_be_asked_for_by_itself(track: Track) -> None:
    with pytest.raises(NoRecipe, match="another track"):
        recipe_files.read(changed(track, endpoint="inpaint"))


@pytest.mark.parametrize(
    "wrong", [{"vibe_strength": 9}, {"seed": 1.5}, {"magic": 1}, {"prompt": "x"}, {"lyrics": None}]
)
def test_wrong_values_are_named(track: Track, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        recipe_files.read(changed(track, **wrong))


def test_a_refusal_keeps_the_draft_and_says_what_was_wrong(browser: Client, ada: User, track: Track) -> None:
    drafts.save(ada, {"mode": "describe", "prompt": "half a thought"})
    for content, words in ((b"no JSON", "The file is no JSON."), (changed(track, vibe_strength=9), "out of range")):
        answer = send(browser, content)
        assert answer.status_code == 422
        assert words in answer.content.decode()
        assert "half a thought" in answer.content.decode()
    assert browser.post("/recipes/bring").status_code == 422


def test_a_song_says_whether_it_comes_again_and_why_not(browser: Client, ada: User, track: Track) -> None:
    def words(generation: Generation) -> str:
        return browser.get(f"/generations/{generation.pk}/").content.decode()

    assert "the same recipe makes the same song again" in words(track.generation)
    assert "a batch of two is drawn together" in words(factories.make_song(person=ada, songs=2, recipe=FIXED))
    assert "read anew each time" in words(factories.make_song(person=ada, songs=1))
    extension = factories.make_song(person=ada, songs=1, recipe=FIXED, endpoint="extend")
    assert "from the sound of another track" in words(extension)
