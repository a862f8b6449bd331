"""What pages read: only one's own, all of it and once, in as many queries for fifty songs as for one."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from studio import generations, queries
from studio.errors import NotFound
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import aged, asked_for, finished_song, put, submitted

PAGE = 20


@pytest.fixture(autouse=True)
def room(settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 100


def ids(page: queries.FeedPage) -> list[UUID]:
    return [card.generation.pk for card in page.cards]


# --- Paging -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 7, 25])
def test_pages_hold_everything_once_newest_first(ada: User, limit: int) -> None:
    now = timezone.now()
    for number in range(13):
        # Three of each moment, so that a page often ends between two of the same.
        put(asked_for(ada), State.QUEUED, created_at=now - timedelta(seconds=number // 3))
    seen: list[UUID] = []
    cursor = None
    for _ in range(14):
        page = queries.feed(ada, before=cursor, limit=limit)
        seen += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 13
    assert seen == list(Generation.objects.order_by("-created_at", "-pk").values_list("pk", flat=True))


def test_a_song_that_comes_between_two_pages_moves_nothing(ada: User) -> None:
    songs = [aged(asked_for(ada), created_at=100 - number) for number in range(6)]
    first = queries.feed(ada, limit=3)
    asked_for(ada)
    second = queries.feed(ada, before=first.next_cursor, limit=3)
    assert ids(first) + ids(second) == [generation.pk for generation in reversed(songs)]
    assert second.next_cursor is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "~",
        "rubbish",
        "2026-11-20T10:00:00+00:00",
        f"2026-11-20T10:00:00+00:00~{'x' * 36}",
        "yesterday~00000000-0000-4000-8000-000000000001",
        "0001-01-01T00:00:00+14:00~00000000-0000-4000-8000-000000000001",
        "9999-12-31T23:59:59-14:00~00000000-0000-4000-8000-000000000001",
        "\0~00000000-0000-4000-8000-000000000001",
    ],
)
def test_a_bad_cursor_is_the_start(ada: User, cursor: str) -> None:
    generation = asked_for(ada)
    assert ids(queries.feed(ada, before=cursor)) == [generation.pk]


def test_a_cursor_survives_the_plus_that_an_address_turns_into_a_blank(ada: User) -> None:
    songs = [aged(asked_for(ada), created_at=100 - number) for number in range(2)]
    cursor = queries.feed(ada, limit=1).next_cursor
    assert cursor is not None
    assert ids(queries.feed(ada, before=cursor.replace("+", " "))) == [songs[0].pk]


def test_a_cursor_without_a_zone_is_read_without_a_warning(ada: User) -> None:
    generation = asked_for(ada)
    tomorrow = (timezone.now() + timedelta(days=1)).replace(tzinfo=None).isoformat()
    assert ids(queries.feed(ada, before=f"{tomorrow}~00000000-0000-4000-8000-000000000001")) == [generation.pk]


def test_a_state_narrows_the_feed(ada: User) -> None:
    asked_for(ada)
    failed = put(asked_for(ada), State.FAILED)
    assert ids(queries.feed(ada, state=State.FAILED)) == [failed.pk]


# --- Whose ------------------------------------------------------------------------------------------------------------


def test_other_peoples_songs_are_not_there(ada: User, bo: User) -> None:
    theirs = asked_for(bo)
    assert ids(queries.feed(ada)) == []
    assert queries.unfinished_count(ada) == 0
    for wanted in (theirs.pk, uuid4()):
        with pytest.raises(NotFound):
            queries.card(ada, wanted)
        with pytest.raises(NotFound):
            generations.own(ada, wanted)


# --- Queries ----------------------------------------------------------------------------------------------------------


def make_mixture(user: User, count: int) -> None:
    for number in range(count):
        match number % 4:
            case 0:
                finished_song(user, songs=2)
            case 1:
                submitted(user)
            case 2:
                put(asked_for(user), State.FAILED)
            case _:
                put(asked_for(user), State.CANCELLED)
    for _ in range(count):
        asked_for(user)


@pytest.mark.parametrize("count", [4, 20])
def test_a_page_takes_four_queries_however_many_songs_it_shows(
    ada: User, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_mixture(ada, count)
    with django_assert_num_queries(4):
        page = queries.feed(ada, limit=count * 2)
        for card in page.cards:
            _ = (card.title, card.sentence, card.phase, card.can_cancel, card.released, card.reproducible, card.tracks)
    assert len(page.cards) == count * 2


def test_one_card_takes_as_many_queries_as_a_page(ada: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_mixture(ada, 8)
    waiting = Generation.objects.waiting().latest("created_at")
    with django_assert_num_queries(4):
        assert queries.card(ada, waiting.pk).position


# --- What a card says -------------------------------------------------------------------------------------------------


def test_waiting_songs_know_their_place_in_their_own_line(ada: User, bo: User) -> None:
    asked_for(bo)
    line = [aged(asked_for(ada), created_at=100 - number) for number in range(3)]
    positions = {card.generation.pk: card.position for card in queries.feed(ada).cards}
    assert positions == {generation.pk: place for place, generation in enumerate(line, start=1)}


def test_every_state_has_a_phase() -> None:
    assert set(queries.PHASES) == set(State)


@pytest.mark.parametrize(
    ("inputs", "reproducible"),
    [
        ({}, False),
        ({"tags": ["pop"]}, False),
        ({"prompt": None, "tags": ["pop"], "lyrics": ""}, True),
        ({"prompt": None, "tags": ["pop"], "lyrics": "la"}, True),
        ({"lyrics": "la"}, False),
    ],
)
def test_only_tags_with_lyrics_make_the_same_song_again(
    ada: User, inputs: dict[str, object], reproducible: bool
) -> None:
    assert queries.card(ada, asked_for(ada, **inputs).pk).reproducible is reproducible


def ready_after(ada: User, seconds: float, minutes_ago: float) -> None:
    finished = timezone.now() - timedelta(minutes=minutes_ago)
    put(asked_for(ada), State.READY, finished_at=finished, submit_started_at=finished - timedelta(seconds=seconds))


def test_the_usual_time_is_the_middle_half_of_the_last_songs(ada: User) -> None:
    song = asked_for(ada)
    for minutes, seconds in enumerate((10, 60, 80, 100, 500), start=1):
        assert (queries.card(ada, song.pk).usual_seconds is None) == (minutes <= 3), "two are too few to tell"
        ready_after(ada, seconds, minutes)
    low, high = queries.card(ada, song.pk).usual_seconds or (0, 0)
    assert 10 < low < 80 < high < 500


def test_what_was_said_to_be_usual_is_not_moved_by_songs_that_end_meanwhile(ada: User) -> None:
    for minutes in (5, 6, 7):
        ready_after(ada, 60, minutes)
    song = asked_for(ada)
    said = queries.card(ada, song.pk).usual_seconds
    for _ in range(4):
        ready_after(ada, 600, minutes_ago=-1)
    assert queries.card(ada, song.pk).usual_seconds == said == (60, 60)
    later = put(asked_for(ada), State.QUEUED, created_at=timezone.now() + timedelta(minutes=2))
    assert queries.card(ada, later.pk).usual_seconds != said


def test_only_the_last_fifty_songs_say_what_is_usual(ada: User) -> None:
    for minutes in range(1, 51):
        ready_after(ada, 20, minutes)
    for minutes in range(60, 90):
        ready_after(ada, 900, minutes)
    assert queries.card(ada, asked_for(ada).pk).usual_seconds == (20, 20)
