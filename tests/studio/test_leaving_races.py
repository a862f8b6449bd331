"""People who leave while they start, cancel and send songs, on real connections."""

import threading
import time
from functools import partial
from uuid import uuid4

import pytest
from django.db import connection

from studio import dispatch, generations, people
from studio.errors import LastAdmin, StudioError
from studio.fal.errors import NotAccepted
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import ONE_SONG, RACE_SECONDS, asked_for, errors_in, money_of, race

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "left the orchestra"


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss@example.com")


def deactivate_each_other(two: list[User], number: int) -> User:
    return people.deactivate(two[number], author=two[1 - number], reason=WHY)


def test_of_two_admins_who_deactivate_each_other_one_stays(boss: User) -> None:
    for _ in range(5):
        rivals = [boss, User.objects.create_superuser(f"{uuid4()}@example.com")]
        answers = race(2, partial(deactivate_each_other, rivals))
        assert [type(error) for error in errors_in(answers)] == [LastAdmin]
        boss = User.objects.get(is_superuser=True, is_active=True)


def test_starts_cancels_and_dispatch_during_the_closing_leave_nothing_waiting(
    ada: User, boss: User, fal: MockFalClient
) -> None:
    waiting = [asked_for(ada) for _ in range(6)]

    def act(number: int) -> object:
        if number == 0:
            return people.deactivate(ada, author=boss, reason=WHY)
        if number == 1:
            return dispatch.dispatch()
        if number <= 7:
            return generations.cancel(person=ada, generation_id=waiting[number - 2].pk)
        return asked_for(ada)

    errors = errors_in(race(14, act))
    assert all(isinstance(error, StudioError) for error in errors), errors
    assert not Generation.objects.filter(state=State.QUEUED).exists()
    at_fal = Generation.objects.filter(state=State.SUBMITTED).count()
    assert money_of(ada) == (at_fal * ONE_SONG, 0)


def test_what_fal_is_just_handing_back_is_waited_for_and_cancelled(
    ada: User, boss: User, fal: MockFalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for(ada)
    claimed = dispatch.claim_next()
    assert claimed is not None
    fal.will_raise("submit", NotAccepted())
    closing = threading.Thread(target=closed_in_thread, args=(ada, boss), daemon=True)

    def meanwhile(*_: object) -> float:
        closing.start()
        wait_until_waiting_or_done(closing)
        return 0

    monkeypatch.setattr(dispatch, "wait_seconds", meanwhile)
    dispatch.submit(claimed)
    closing.join(RACE_SECONDS)
    assert Generation.objects.get().state == State.CANCELLED
    assert money_of(ada) == (0, 0)


def closed_in_thread(user: User, author: User) -> None:
    try:
        people.deactivate(user, author=author, reason=WHY)
    finally:
        connection.close()


def wait_until_waiting_or_done(thread: threading.Thread) -> None:
    """Until the thread's connection waits for a lock of ours, or needs none."""
    deadline = time.monotonic() + RACE_SECONDS
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        assert time.monotonic() < deadline, "the other thread neither waits nor ends"
        time.sleep(0.01)
