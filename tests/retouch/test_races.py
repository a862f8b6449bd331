"""Many clicks at once, on real connections: one take, one end, and never a take too many."""

import pytest
from django.db import IntegrityError, transaction

from studio import extensions, retouches, trash
from studio.errors import NothingToUndo, RetriesExhausted, TakeInUse, TakePending, TrackHidden, TrackInTrash
from studio.models import Generation, Take, Track, User
from tests.retouch.scenes import WORDS, begun, delivered, last_take
from tests.studio.people import ONE_SONG, errors_in, money_of, race

pytestmark = pytest.mark.django_db(transaction=True)


def test_twenty_retries_at_once_give_one_take_and_one_hold(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    delivered(last_take(retouch))
    answers = race(20, lambda _: retouches.retry(person=ada, retouch_id=retouch.pk, reason="GLITCH"))
    errors = errors_in(answers)
    assert {type(error) for error in errors} == {TakePending}
    assert len(errors) == 19
    assert sorted(take.number or 0 for take in Take.objects.all()) == [1, 2]
    assert money_of(ada) == (ONE_SONG, 2 * ONE_SONG)


def test_twenty_last_retries_at_once_give_one_and_then_none_is_left(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    for _ in range(2):
        delivered(last_take(retouch))
        retouches.retry(person=ada, retouch_id=retouch.pk, reason="GLITCH")
    delivered(last_take(retouch))
    errors = errors_in(race(20, lambda _: retouches.retry(person=ada, retouch_id=retouch.pk, reason="GLITCH")))
    assert {type(error) for error in errors} == {RetriesExhausted}
    assert (len(errors), Take.objects.count()) == (19, 4)


def test_the_database_itself_has_no_place_for_a_fifth_take(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    spare = [Generation.objects.get(pk=begun(ada, track).takes.get().pk) for _ in range(2)]
    Take.objects.filter(generation__in=spare).delete()
    for number, generation in ((1, spare[0]), (5, spare[1])):
        with pytest.raises(IntegrityError), transaction.atomic():
            Take.objects.create(retouch=retouch, generation=generation, number=number, most_takes=4)


def test_of_twenty_ends_at_once_one_is_the_end(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    made = delivered(last_take(retouch))

    def end(number: int) -> object:
        if number % 2:
            return retouches.abandon(person=ada, retouch_id=retouch.pk)
        return retouches.accept(person=ada, retouch_id=retouch.pk, take_id=made.generation_id)

    race(20, end)
    retouch.refresh_from_db()
    made.refresh_from_db()
    assert made.hidden == (retouch.state == "ABANDONED")
    assert retouch.state != "OPEN"


def test_an_undo_and_what_derives_from_the_take_never_both_happen(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    made = delivered(last_take(retouch))
    retouches.accept(person=ada, retouch_id=retouch.pk, take_id=made.generation_id)

    def act(number: int) -> object:
        if number % 2:
            return retouches.undo(person=ada, retouch_id=retouch.pk)
        return extensions.start(person=ada, track_id=made.pk, inputs={"side": "right"})

    errors = errors_in(race(8, act))
    made.refresh_from_db()
    derived = Generation.objects.filter(source=made).count()
    assert made.hidden == (derived == 0)
    assert {type(error) for error in errors} <= {TakeInUse, TrackHidden, NothingToUndo}


def test_a_trash_and_a_start_at_once_leave_no_retouch_of_what_was_trashed_first(ada: User, track: Track) -> None:
    def act(number: int) -> object:
        if number == 3:
            return trash.put(person=ada, track_id=track.pk)
        return retouches.start(person=ada, track_id=track.pk, inputs=WORDS)

    errors = errors_in(race(8, act))
    assert {type(error) for error in errors} <= {TrackInTrash}
    assert Take.objects.count() == 7 - len(errors)
    assert money_of(ada)[0] == Take.objects.count() * ONE_SONG
