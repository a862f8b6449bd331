"""Projects: whose they are, who else may listen, and what a link opens and what it never does."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.signing import Signer
from django.utils import timezone

from studio import people, projects, takeaway, tracks, trash
from studio.errors import (
    InvalidInput,
    NotFound,
    TooManyLinks,
    TooManyMembers,
    TooManyProjects,
    TrackInTrash,
)
from studio.models import Member, Project, ShareLink, Track, User
from tests import factories

# The same in every process that collects these tests.
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def track_of(person: User, **fields: Any) -> Track:
    return factories.make_track(factories.make_generation(person=person, state="READY"), **fields)


@pytest.fixture
def album(ada: User) -> Project:
    return projects.create(ada, "Album")


@pytest.fixture
def inside(ada: User, album: Project) -> Track:
    """A track of Ada's in the album."""
    return track_of(ada, project=album, title="Inside")


@pytest.fixture
def key(ada: User, album: Project) -> str:
    return projects.key_of(projects.add_link(person=ada, project_id=album.pk))


class TestAProject:
    def test_is_made_renamed_and_deleted_without_its_tracks(self, ada: User, album: Project, inside: Track) -> None:
        assert projects.rename(person=ada, project_id=album.pk, title=" Night  bus ").title == "Night bus"
        projects.delete(person=ada, project_id=album.pk)
        inside.refresh_from_db()
        assert (inside.project_id, inside.trashed_at) == (None, None)
        assert not Project.objects.exists()

    def test_needs_a_title(self, ada: User) -> None:
        with pytest.raises(InvalidInput):
            projects.create(ada, " \0 ")

    def test_is_one_of_so_many(self, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(projects, "MAX_PROJECTS", 1)
        projects.create(ada, "One")
        with pytest.raises(TooManyProjects):
            projects.create(ada, "Two")

    def test_of_another_is_not_there_for_any_verb(self, ada: User, bo: User, album: Project) -> None:
        link = projects.add_link(person=ada, project_id=album.pk)
        member = projects.add_member(person=ada, project_id=album.pk, email=bo.email)
        # Being a member opens nothing but listening.
        for refused in (
            lambda: projects.own(bo, album.pk),
            lambda: projects.rename(person=bo, project_id=album.pk, title="Mine"),
            lambda: projects.delete(person=bo, project_id=album.pk),
            lambda: projects.add_link(person=bo, project_id=album.pk),
            lambda: projects.revoke_link(person=bo, project_id=album.pk, link_id=link.pk),
            lambda: projects.add_member(person=bo, project_id=album.pk, email=ada.email),
            lambda: projects.remove_member(person=bo, project_id=album.pk, member_id=member.pk),
            lambda: projects.put_in(person=bo, track_ids=[track_of(bo).pk], project_id=album.pk),
        ):
            with pytest.raises(NotFound):
                refused()
        album.refresh_from_db()
        assert album.title == "Album"

    def test_takes_nobody_elses_track(self, ada: User, bo: User, album: Project) -> None:
        foreign = track_of(bo)
        projects.put_in(person=ada, track_ids=[foreign.pk], project_id=album.pk)
        assert not projects.tracks_of(album).exists()

    @pytest.mark.usefixtures("inside")
    def test_counts_what_is_in_sight(self, ada: User, album: Project) -> None:
        track_of(ada, project=album, hidden=True)
        track_of(ada, project=album, trashed_at=timezone.now())
        assert [project.songs for project in projects.counted(projects.of(ada))] == [1]  # type: ignore[attr-defined]

    def test_links_and_members_of_one_are_not_reached_through_another(
        self, ada: User, bo: User, album: Project
    ) -> None:
        other = projects.create(ada, "Other")
        link = projects.add_link(person=ada, project_id=album.pk)
        member = projects.add_member(person=ada, project_id=album.pk, email=bo.email)
        with pytest.raises(NotFound):
            projects.revoke_link(person=ada, project_id=other.pk, link_id=link.pk)
        with pytest.raises(NotFound):
            projects.remove_member(person=ada, project_id=other.pk, member_id=member.pk)


class TestAMember:
    @pytest.fixture(autouse=True)
    def _bo_is_one(self, ada: User, bo: User, album: Project) -> None:
        projects.add_member(person=ada, project_id=album.pk, email=f" {bo.email.upper()} ")

    def test_sees_it_listens_and_takes_along(self, bo: User, album: Project, inside: Track) -> None:
        assert projects.visible(bo, album.pk) == album
        assert list(projects.shared_with(bo)) == [album]
        assert tracks.within_reach(bo, inside.pk) == inside
        assert tracks.kept_within_reach(bo, inside.pk) == inside
        assert takeaway._chosen(bo, [inside.pk]) == [inside]

    def test_changes_nothing_of_it(self, bo: User, inside: Track) -> None:
        for own_only in (tracks.own, tracks.own_ready, tracks.own_kept):
            with pytest.raises(NotFound):
                own_only(bo, inside.pk)
        with pytest.raises(NotFound):
            trash.put(person=bo, track_id=inside.pk)

    def test_hears_nothing_else_of_its_person(self, ada: User, bo: User) -> None:
        elsewhere = track_of(ada, project=projects.create(ada, "Other"))
        for track in (track_of(ada), elsewhere):
            with pytest.raises(NotFound):
                tracks.within_reach(bo, track.pk)

    @pytest.mark.parametrize("fields", [{"hidden": True}, {"trashed_at": LONG_AGO}, {"project": None}], ids=repr)
    def test_hears_nothing_that_is_hidden_thrown_away_or_taken_out(
        self, ada: User, bo: User, inside: Track, fields: dict[str, object]
    ) -> None:
        Track.objects.filter(pk=inside.pk).update(**fields)
        with pytest.raises(NotFound):
            tracks.within_reach(bo, inside.pk)
        with pytest.raises(NotFound):
            takeaway._chosen(bo, [inside.pk])
        # Its own person still does.
        assert tracks.within_reach(ada, inside.pk) == inside

    def test_hears_nothing_any_more_once_removed(self, ada: User, bo: User, album: Project, inside: Track) -> None:
        member = Member.objects.get()
        projects.remove_member(person=ada, project_id=album.pk, member_id=member.pk)
        with pytest.raises(NotFound):
            tracks.within_reach(bo, inside.pk)
        with pytest.raises(NotFound):
            projects.visible(bo, album.pk)
        with pytest.raises(NotFound):
            projects.remove_member(person=ada, project_id=album.pk, member_id=member.pk)

    def test_may_leave(self, bo: User, album: Project) -> None:
        projects.leave(person=bo, project_id=album.pk)
        assert not Member.objects.exists()
        with pytest.raises(NotFound):
            projects.leave(person=bo, project_id=album.pk)

    def test_is_added_once(self, ada: User, bo: User, album: Project) -> None:
        projects.add_member(person=ada, project_id=album.pk, email=bo.email)
        assert Member.objects.count() == 1

    @pytest.mark.parametrize("email", ["nobody@example.com", "", "\0", "x" * 300, "ada@example.com"])
    def test_is_somebody_else_of_the_studio(self, ada: User, album: Project, email: str) -> None:
        with pytest.raises(InvalidInput):
            projects.add_member(person=ada, project_id=album.pk, email=email)

    def test_is_one_of_so_many(self, ada: User, album: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(projects, "MAX_MEMBERS", 1)
        User.objects.create_user("cy@example.com")
        with pytest.raises(TooManyMembers):
            projects.add_member(person=ada, project_id=album.pk, email="cy@example.com")

    def test_is_forgotten_with_the_person(self, bo: User) -> None:
        boss = User.objects.create_superuser("boss@example.com")
        people.anonymise(bo, author=boss, reason="asked to")
        assert not Member.objects.exists()


def test_ones_own_track_in_the_trash_can_be_heard_but_not_taken_along(ada: User) -> None:
    thrown = track_of(ada, trashed_at=timezone.now())
    assert tracks.within_reach(ada, thrown.pk) == thrown
    with pytest.raises(TrackInTrash):
        tracks.kept_within_reach(ada, thrown.pk)


class TestALink:
    def test_opens_the_project_and_its_tracks(self, album: Project, inside: Track, key: str) -> None:
        shared = projects.opened(key)
        assert (shared.project, shared.by) == (album, "ada")
        assert projects.shared_track(key, inside.pk) == inside

    def test_tells_the_name_where_there_is_one_and_never_the_address(self, ada: User, key: str) -> None:
        User.objects.filter(pk=ada.pk).update(first_name="Ada", last_name="Lovelace")
        assert projects.opened(key).by == "Ada Lovelace"

    def test_opens_no_other_track(self, ada: User, bo: User, key: str) -> None:
        others = [track_of(ada), track_of(bo), track_of(ada, project=projects.create(ada, "Other"))]
        for track_id in [*(track.pk for track in others), uuid4()]:
            with pytest.raises(NotFound):
                projects.shared_track(key, track_id)

    @pytest.mark.parametrize(
        "fields", [{"hidden": True}, {"trashed_at": LONG_AGO}, {"project": None}, {"state": "PENDING"}], ids=repr
    )
    def test_opens_nothing_that_is_out_of_sight(self, inside: Track, key: str, fields: dict[str, object]) -> None:
        Track.objects.filter(pk=inside.pk).update(**fields)
        with pytest.raises(NotFound):
            projects.shared_track(key, inside.pk)

    def test_opens_what_came_back_from_the_trash(self, ada: User, inside: Track, key: str) -> None:
        trash.put(person=ada, track_id=inside.pk)
        with pytest.raises(NotFound):
            projects.shared_track(key, inside.pk)
        trash.put_back(person=ada, track_id=inside.pk)
        assert projects.shared_track(key, inside.pk)

    def test_opens_nothing_once_revoked_which_may_be_repeated(self, ada: User, album: Project, key: str) -> None:
        link = ShareLink.objects.get()
        for _ in range(2):
            projects.revoke_link(person=ada, project_id=album.pk, link_id=link.pk)
        assert not projects.links_of(album).exists()
        with pytest.raises(NotFound):
            projects.opened(key)

    def test_opens_nothing_once_expired(self, album: Project, key: str) -> None:
        past = datetime.now(UTC) - timedelta(seconds=1)
        ShareLink.objects.update(created_at=past - timedelta(days=1), expires_at=past)
        assert not projects.links_of(album).exists()
        with pytest.raises(NotFound):
            projects.opened(key)

    def test_opens_nothing_once_its_project_or_its_person_is_gone(self, ada: User, album: Project, key: str) -> None:
        User.objects.filter(pk=ada.pk).update(is_active=False)
        with pytest.raises(NotFound):
            projects.opened(key)
        User.objects.filter(pk=ada.pk).update(is_active=True)
        projects.delete(person=ada, project_id=album.pk)
        with pytest.raises(NotFound):
            projects.opened(key)

    def test_is_not_forged_even_by_who_knows_the_token(self, key: str) -> None:
        token = ShareLink.objects.get().token
        for forged in (
            token, f"{token}.", f"{token}.x", key[:-1], key + "A", "x", "", ".", "\0", "é.é",
            Signer(key="another secret key that is long", sep=".", salt="studio.share-link").sign(token),
            Signer(sep=".", salt="another purpose").sign(token),
        ):  # fmt: skip
            with pytest.raises(NotFound):
                projects.opened(forged)

    def test_a_forged_one_costs_no_question_to_the_database(self, django_assert_num_queries: object) -> None:
        with django_assert_num_queries(0), pytest.raises(NotFound):  # type: ignore[operator]
            projects.opened("forged.key")

    @pytest.mark.parametrize("days", [0, -1, 366, 10**9])
    def test_lasts_from_a_day_to_a_year(self, ada: User, album: Project, days: int) -> None:
        with pytest.raises(InvalidInput):
            projects.add_link(person=ada, project_id=album.pk, days=days)

    def test_is_one_of_so_many_open_ones(self, ada: User, album: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(projects, "MAX_LINKS", 1)
        first = projects.add_link(person=ada, project_id=album.pk)
        with pytest.raises(TooManyLinks):
            projects.add_link(person=ada, project_id=album.pk)
        projects.revoke_link(person=ada, project_id=album.pk, link_id=first.pk)
        projects.add_link(person=ada, project_id=album.pk)
