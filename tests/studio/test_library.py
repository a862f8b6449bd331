"""The library: what is found, page by page, and what is done with one track or several."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from ledger.errors import InvalidMonth
from studio import library, projects, recipes, trash
from studio.errors import InvalidInput, NotFound, TrackDeleted, TrackInTrash, TrackNotReady
from studio.library import Filters
from studio.models import Track, User
from tests import factories
from tests.studio import people

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def song(person: User, title: str, *, tags: list[str] | None = None, days_ago: int = 0, **fields: Any) -> Track:
    """A track with the words of its recipe, as settling writes them."""
    recipe = {"prompt": None if tags else title, "tags": tags, "lyrics": "" if tags else None}
    generation = factories.make_generation(person=person, state="READY", recipe=recipe)
    words: dict[str, Any] = {"words": " ".join(tags or [title]), "tags": [tag.lower() for tag in tags or []]}
    made: dict[str, Any] = {"created_at": NOW - timedelta(days=days_ago), "title": title, **words}
    return factories.make_track(generation, **(made | fields))


def titles(person: User, filters: Filters | None = None, **more: object) -> list[str]:
    page = library.find(person, filters or Filters(**more))  # type: ignore[arg-type]
    return [track.title for track in page.tracks]


class TestFinding:
    def test_is_of_ones_own_tracks_that_can_be_heard_newest_first(self, ada: User, bo: User) -> None:
        song(ada, "Old", days_ago=2)
        song(ada, "New")
        song(bo, "Of Bo")
        song(ada, "Hidden", hidden=True)
        song(ada, "Thrown away", trashed_at=NOW)
        factories.make_track(factories.make_generation(person=ada, state="INGESTING"), state="PENDING")
        assert titles(ada) == ["New", "Old"]

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("waltz", ["Slow Waltz"]), ("WAL", ["Slow Waltz"]), ("slow rain", ["Slow Waltz"]), ("fi", ["Lo-fi harp"]),
            ("dream", ["Neon"]), ("pop neo", ["Neon"]), ("waltz neon", []), ("alt", []),
            ("!!! &|:*'\\", None), ("", None),
        ],
    )  # fmt: skip
    def test_takes_each_word_for_the_beginning_of_one(self, ada: User, typed: str, found: list[str] | None) -> None:
        song(ada, "Slow Waltz", words="for piano and rain", days_ago=1)
        song(ada, "Neon", tags=["Dream Pop"], days_ago=2)
        song(ada, "Lo-fi harp", days_ago=3)
        everything = ["Slow Waltz", "Neon", "Lo-fi harp"]
        assert titles(ada, q=typed) == (everything if found is None else found)

    def test_follows_a_new_title(self, ada: User) -> None:
        track = song(ada, "Before", words="")
        library.change(person=ada, track_id=track.pk, wanted={"title": "Afterwards"})
        assert titles(ada, q="after") == ["Afterwards"]
        assert titles(ada, q="before") == []

    def test_is_narrowed_by_every_filter_and_by_all_together(self, ada: User) -> None:
        project = projects.create(ada, "Album")
        best = song(ada, "Best", tags=["Dream Pop"], favourite=True, rating=5, project=project, days_ago=30)
        song(ada, "Rest", tags=["pop"], rating=2)
        best.generation.keeper = 0
        best.generation.save(update_fields=["keeper"])
        every: dict[str, Any] = {
            "favourite": True, "keeper": True, "tag": " DREAM pop ", "month": "2026-10", "project": project.pk,
            "rating": 4,
        }  # fmt: skip
        for name, value in every.items():
            assert titles(ada, **{name: value}) == ["Best"], name
        assert titles(ada, **every) == ["Best"]
        assert titles(ada, tag="pop") == ["Rest"]
        assert titles(ada, rating=2) == ["Rest", "Best"]

    def test_of_a_month_begins_and_ends_with_it(self, ada: User) -> None:
        for name, moment in {
            "first": datetime(2026, 10, 1, tzinfo=UTC),
            "last": datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            "before": datetime(2026, 9, 30, 23, 59, 59, 999_999, tzinfo=UTC),
            "after": datetime(2026, 11, 1, tzinfo=UTC),
        }.items():
            song(ada, name, created_at=moment)
        assert titles(ada, month="2026-10") == ["last", "first"]

    @pytest.mark.parametrize("month", ["9999-12", "9000-01"])
    def test_of_a_month_to_come_is_empty(self, ada: User, month: str) -> None:
        song(ada, "Now")
        assert titles(ada, month=month) == []

    def test_of_what_is_no_month_is_refused(self, ada: User) -> None:
        with pytest.raises(InvalidMonth):
            library.find(ada, Filters(month="2026-13"))

    def test_in_anothers_project_finds_nothing(self, ada: User, bo: User) -> None:
        song(ada, "Mine")
        assert titles(ada, project=projects.create(bo, "Of Bo").pk) == []

    def test_goes_on_after_each_page_and_loses_none_made_at_one_moment(self, ada: User) -> None:
        made = {str(song(ada, "Twin").pk) for _ in range(5)}
        seen, cursor = [], None
        for _ in range(3):
            page = library.find(ada, Filters(), cursor, limit=2)
            seen += [str(track.pk) for track in page.tracks]
            cursor = page.next_cursor
        assert cursor is None
        assert len(seen) == 5
        assert set(seen) == made

    @pytest.mark.parametrize("cursor", ["x", "~", "2026-11-01~x", "9999-99-99~\0"])
    def test_begins_anew_after_a_cursor_that_is_none(self, ada: User, cursor: str) -> None:
        song(ada, "Only")
        assert len(library.find(ada, Filters(), cursor).tracks) == 1

    def test_asks_as_often_for_one_as_for_many(self, ada: User) -> None:
        song(ada, "One")
        with CaptureQueriesContext(connection) as one:
            [(track.generation.seed, track.project) for track in library.find(ada, Filters(q="o")).tracks]
        project = projects.create(ada, "Album")
        for number in range(6):
            song(ada, f"One {number}", project=project)
        with CaptureQueriesContext(connection) as many:
            [
                (track.generation.seed, track.project and track.project.title)
                for track in library.find(ada, Filters()).tracks
            ]
        assert len(one) == len(many) == 1

    def test_by_words_can_use_the_index(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
            rows = library._narrowed(Track.objects.all(), Filters(q="waltz"))
            assert "track_words" in rows.explain()
            assert "track_tags" in library._narrowed(Track.objects.all(), Filters(tag="pop")).explain()


class TestAChange:
    def test_is_of_everything_at_once(self, ada: User) -> None:
        track, project = song(ada, "Before"), projects.create(ada, "Album")
        wanted = library.Change(title=" New \n name ", rating=4, favourite=True, keeper=True, project=project.pk)
        now = library.change(person=ada, track_id=track.pk, wanted=wanted)
        assert (now.title, now.rating, now.favourite, now.is_keeper) == ("New name", 4, True, True)
        assert now.project_id == project.pk
        cleared = library.change(person=ada, track_id=track.pk, wanted={"rating": None, "project": None})
        assert (cleared.title, cleared.rating, cleared.project_id) == ("New name", None, None)

    @pytest.mark.parametrize("title", ["", "  ", "\0", "\x07\n", "x" * 121, "\ud800"])
    def test_to_what_is_no_title_changes_nothing_else_either(self, ada: User, title: str) -> None:
        track = song(ada, "Before")
        with pytest.raises(InvalidInput):
            library.change(person=ada, track_id=track.pk, wanted={"title": title, "favourite": True})
        track.refresh_from_db()
        assert (track.title, track.favourite) == ("Before", False)

    @pytest.mark.parametrize("stars", [0, 6, -1])
    def test_to_what_is_no_rating_is_refused(self, ada: User, stars: int) -> None:
        track = song(ada, "Before")
        with pytest.raises(InvalidInput):
            library.change(person=ada, track_id=track.pk, wanted={"rating": stars})

    def test_of_anothers_track_or_into_anothers_project_is_not_there(self, ada: User, bo: User) -> None:
        mine, theirs = song(ada, "Mine"), song(bo, "Theirs")
        album = projects.create(bo, "Of Bo")
        with pytest.raises(NotFound):
            library.change(person=ada, track_id=theirs.pk, wanted={"favourite": True})
        with pytest.raises(NotFound):
            library.change(person=ada, track_id=mine.pk, wanted={"project": album.pk, "title": "Moved"})
        mine.refresh_from_db()
        assert (mine.title, mine.project_id) == ("Mine", None)

    def test_is_for_what_can_be_heard(self, ada: User) -> None:
        thrown = song(ada, "Thrown away", trashed_at=NOW)
        pending = factories.make_track(factories.make_generation(person=ada, state="INGESTING"), state="PENDING")
        with pytest.raises(TrackInTrash):
            library.change(person=ada, track_id=thrown.pk, wanted={"favourite": True})
        with pytest.raises(TrackNotReady):
            library.change(person=ada, track_id=pending.pk, wanted={"favourite": True})

    def test_the_database_itself_keeps_a_track_out_of_anothers_project(self, ada: User, bo: User) -> None:
        track, album = song(ada, "Mine"), projects.create(bo, "Of Bo")
        with pytest.raises(IntegrityError, match="track_project_is_own"), transaction.atomic():
            Track.objects.filter(pk=track.pk).update(project=album)
        with pytest.raises(IntegrityError, match="track_rating_one_to_five"), transaction.atomic():
            Track.objects.filter(pk=track.pk).update(rating=6)


class TestSeveralAtOnce:
    def test_become_favourites_and_move(self, ada: User) -> None:
        tracks = [song(ada, f"{number}") for number in range(3)]
        ids, album = [track.pk for track in tracks], projects.create(ada, "Album")
        assert all(track.favourite for track in library.favourite(person=ada, track_ids=ids))
        assert {track.project_id for track in library.move(person=ada, track_ids=ids, project_id=album.pk)} == {
            album.pk
        }
        assert {track.project_id for track in library.move(person=ada, track_ids=ids[:1], project_id=None)} == {None}
        assert titles(ada, project=album.pk) == ["2", "1"] or set(titles(ada, project=album.pk)) == {"1", "2"}

    def test_go_to_the_trash_and_come_back_as_they_were(self, ada: User) -> None:
        album = projects.create(ada, "Album")
        ids = [song(ada, f"{number}", favourite=True, project=album).pk for number in range(3)]
        library.put_in_trash(person=ada, track_ids=ids)
        assert titles(ada) == []
        assert len(trash.of(ada)) == 3
        library.put_back(person=ada, track_ids=ids)
        assert len(titles(ada, favourite=True, project=album.pk)) == 3

    def test_are_left_alone_where_one_is_anothers(self, ada: User, bo: User) -> None:
        mine, theirs, album = song(ada, "Mine"), song(bo, "Theirs"), projects.create(ada, "Album")
        ids = [mine.pk, theirs.pk]
        for act in (library.favourite, library.put_in_trash):
            with pytest.raises(NotFound):
                act(person=ada, track_ids=ids)
        with pytest.raises(NotFound):
            library.move(person=ada, track_ids=ids, project_id=album.pk)
        for track in (mine, theirs):
            track.refresh_from_db()
            assert (track.favourite, track.trashed_at, track.project_id) == (False, None, None)

    def test_do_not_move_into_anothers_project(self, ada: User, bo: User) -> None:
        mine = song(ada, "Mine")
        with pytest.raises(NotFound):
            library.move(person=ada, track_ids=[mine.pk], project_id=projects.create(bo, "Of Bo").pk)

    def test_are_a_hundred_at_most_and_one_at_least(self, ada: User) -> None:
        for ids in ([], [uuid4() for _ in range(101)]):
            with pytest.raises(InvalidInput):
                library.favourite(person=ada, track_ids=ids)

    def test_come_back_all_or_not_at_all(self, ada: User) -> None:
        soon, late = song(ada, "Soon"), song(ada, "Late")
        library.put_in_trash(person=ada, track_ids=[soon.pk, late.pk])
        Track.objects.filter(pk=late.pk).update(trashed_at=datetime(2020, 1, 1, tzinfo=UTC))
        with pytest.raises(TrackDeleted):
            library.put_back(person=ada, track_ids=[soon.pk, late.pk])
        assert titles(ada) == []


class TestTheWordsOfATrack:
    def test_are_written_when_the_song_is_settled(self, ada: User) -> None:
        generation = people.finished_song(ada)
        track = generation.tracks.get()
        assert (track.words, track.tags) == ("a calm piano piece at night pop", ["pop"])
        assert titles(ada, q="pian") == titles(ada, tag="pop") == [track.title]

    @pytest.mark.parametrize(
        ("recipe", "written"),
        [
            ({"prompt": "A waltz"}, None), ({"prompt": "A waltz"}, ["Fado", "morna"]), ({"prompt": "A waltz"}, []),
            ({"prompt": None, "tags": ["Dream Pop", 'a "b" \\ c'], "lyrics": ""}, ["other"]),
            ({"prompt": None, "tags": [], "lyrics": "x"}, ["Fado"]), ({"prompt": "", "tags": None}, None),
        ],
    )  # fmt: skip
    def test_of_old_songs_are_the_same(self, ada: User, recipe: dict[str, Any], written: list[str] | None) -> None:
        generation = factories.make_generation(person=ada, state="READY", recipe=recipe, written_tags=written)
        track = factories.make_track(generation, title="Old", words="", tags=[])
        with connection.cursor() as cursor:
            cursor.execute(import_module("studio.migrations.0015_words_of_old_songs").FILL)
        track.refresh_from_db()
        assert {"words": track.words, "tags": track.tags} == recipes.words_of(generation)
