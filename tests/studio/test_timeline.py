"""What happened to a song, told in words, with the time between."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from studio import generations, settling, sweep, timeline, transitions
from studio.models import Event, Generation, User
from studio.states import GenerationState as State
from studio.templatetags import shown
from tests.studio.people import asked_for, finished_song, put, song, submitted


def said(generation: Generation) -> list[str]:
    return [moment.says for moment in timeline.read(generation, list(generation.tracks.all()))]


def test_a_song_is_told_from_the_click_to_the_play_button(ada: User) -> None:
    generation = finished_song(ada)
    assert said(generation) == [
        "Asked for; the price was set aside",
        "Sent to fal",
        "fal took it",
        "Done; being saved",
        "Ready",
    ]


def test_each_moment_says_how_long_after_the_one_before_it_came(ada: User) -> None:
    generation = submitted(ada)
    now = timezone.now()
    for seconds, event in zip((100, 99.5, 30), generation.events.order_by("pk"), strict=True):
        Event.objects.filter(pk=event.pk).update(at=now - timedelta(seconds=seconds))
    gaps = [moment.gap for moment in timeline.read(generation, [])]
    assert gaps == [None, timedelta(seconds=0.5), timedelta(seconds=69.5)]


def test_a_clock_that_was_put_back_makes_no_negative_time(ada: User) -> None:
    generation = submitted(ada)
    first = generation.events.earliest("pk")
    Event.objects.filter(pk=first.pk).update(at=timezone.now() + timedelta(hours=1))
    assert timeline.read(generation, [])[1].gap == timedelta(0)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("job_progress", {"state": "RUNNING"}, "Sonauto makes the song"),
        ("job_progress", {"state": "LOST"}, "No sign of life from fal; we keep asking"),
        ("job_progress", {"state": "SUBMITTED", "queue_position": 3}, "Number 4 in fal’s line"),
        ("job_progress", {"state": "SUBMITTED", "queue_position": None}, "Sent to fal"),
        ("job_progress", {"state": "RUNNING", "logs": ["a calm piano"]}, "fal’s model wrote to its log"),
        ("job_progress", {"state": "RUNNING", "cancel_requested": True}, "You asked to cancel it"),
        ("job_progress", {"state": "FAILED", "track": "x", "fetched_again": True}, "The song is fetched again"),
        ("job_queued", {"state": "QUEUED"}, "fal did not take it; it is sent again later"),
        ("job_failed", {"state": "CANCELLED"}, "Cancelled"),
        ("job_failed", {"state": "FAILED"}, "Failed; nothing was charged"),
        ("of_tomorrow", {}, "of_tomorrow"),
    ],
)
def test_every_event_has_words(ada: User, name: str, data: dict[str, Any], words: str) -> None:
    generation = asked_for(ada)
    transitions.record(generation, name, **data)
    assert said(generation)[-1] == words


def test_a_wish_a_loss_and_a_song_after_all_are_all_in_it(ada: User) -> None:
    generation = submitted(ada)
    generations.cancel(person=ada, generation_id=generation.pk)
    sweep._lose(put(generation, State.RUNNING))
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    assert said(generation)[3:] == [
        "You asked to cancel it",
        "No sign of life from fal; we keep asking",
        "Done; being saved",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "+0.0 s"), (0.44, "+0.4 s"), (12.3, "+12 s"), (185, "+3 min 5 s"), (3725, "+1 h 2 min"), (None, "")],
)
def test_a_gap_is_as_exact_as_anybody_wants_it(seconds: float | None, words: str) -> None:
    assert shown.gap_words(None if seconds is None else timedelta(seconds=seconds)) == words
