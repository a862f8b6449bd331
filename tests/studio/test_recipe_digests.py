"""Songs from before there were digests get theirs: in batches, and what was broken off goes on."""

import importlib
from typing import Any

import pytest
from django.apps import apps

from studio import already_made
from studio.models import Generation, User
from tests import factories

filling = importlib.import_module("studio.migrations.0011_recipe_digest_of_old_songs")


def test_old_songs_are_found_after_the_filling(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "BATCH", 2)
    songs = [factories.make_song(person=ada, songs=1, recipe={"seed": seed}) for seed in range(5)]
    Generation.objects.filter(pk=songs[0].pk).update(recipe_digest="done before")
    filling.fill_in(apps, None)
    assert Generation.objects.get(pk=songs[0].pk).recipe_digest == "done before"
    for song in songs[1:]:
        [track] = already_made.find(ada, already_made.digest_of("text-to-music", song.recipe))
        assert track.generation_id == song.pk


def test_a_broken_off_filling_goes_on_where_it_was(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "BATCH", 2)
    for seed in range(5):
        factories.make_song(person=ada, songs=1, recipe={"seed": seed})
    asked: list[Any] = []

    def tire(row: Any) -> str:
        asked.append(row)
        if len(asked) == 4:
            raise InterruptedError
        return "x"

    with monkeypatch.context() as patched:
        patched.setattr(already_made, "digest", tire)
        with pytest.raises(InterruptedError):
            filling.fill_in(apps, None)
    assert Generation.objects.filter(recipe_digest="x").count() == 2
    filling.fill_in(apps, None)
    assert not Generation.objects.filter(recipe_digest="").exists()
