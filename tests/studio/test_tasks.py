"""What workers run: each task calls the domain, takes words that it doesn't know, and survives fal."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from studio import generations, tasks
from studio.fal.errors import FalError, NotFinished, NotFound, Unreachable
from studio.fal.mock import MockFalClient
from studio.models import Generation, Track, User
from studio.states import GenerationState as State
from tests.studio.people import asked_for, names_of, put, submitted


def test_the_tasks_call_the_domain_and_take_words_they_do_not_know(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    tasks.dispatch_waiting(unknown=1)
    generation.refresh_from_db()
    assert generation.state == State.SUBMITTED
    tasks.look(unknown=1)
    generations.cancel(person=ada, generation_id=generation.pk)
    tasks.cancel_at_fal(generation_id=str(generation.pk), unknown=1)
    assert Generation.objects.get(pk=generation.pk).state == State.CANCELLED
    tasks.sweep_once(unknown=1)
    tasks.ingest(track_id=str(generation.pk), unknown=1)
    assert not Track.objects.exists()


@pytest.mark.parametrize("error", [Unreachable(), NotFound(), NotFinished()])
def test_no_error_of_fals_breaks_a_task(ada: User, fal: MockFalClient, settings: Settings, error: FalError) -> None:
    settings.SETTLE_BY_POLLING = True
    generation = put(submitted(ada), State.RUNNING, look_at=timezone.now(), cancel_requested_at=timezone.now())
    fal.advance(str(generation.request_id))
    fal.will_raise("cancel", error)
    tasks.cancel_at_fal(generation_id=str(generation.pk))
    fal.will_raise("status", error)
    tasks.look()
    put(generation, State.RUNNING, look_at=timezone.now())
    fal.will_raise("result", error)
    tasks.look()
    assert Generation.objects.get(pk=generation.pk).state == State.RUNNING
    assert names_of(generation)[-1] == "job_started"
