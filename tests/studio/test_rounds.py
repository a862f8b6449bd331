"""Many questions at once: a slow one holds up nobody, a round has an end, and one process asks at a time."""

import threading
import time
from collections.abc import Iterator

import pytest

from studio import rounds
from tests.studio.people import race

SECONDS = 20


@pytest.fixture(autouse=True)
def four_askers(studio_settings: object, fal: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ASKERS", 4)


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """A question that is asked until the test lets it go."""
    released = threading.Event()
    yield released
    released.set()


def test_a_slow_answer_holds_up_no_other(hanging: threading.Event) -> None:
    def ask(number: int) -> int:
        if number == 0:
            assert hanging.wait(SECONDS)
        return number

    came = []
    for number, answer in rounds.answers(range(20), ask):
        assert answer.result() == number
        came.append(number)
        if len(came) == 19:
            hanging.set()
    assert sorted(came) == list(range(20))
    assert came[-1] == 0


def test_an_error_is_the_answer_of_its_own_question(hanging: threading.Event) -> None:
    def ask(number: int) -> int:
        return 12 // number

    answers = {number: answer.exception() or answer.result() for number, answer in rounds.answers(range(4), ask)}
    assert isinstance(answers.pop(0), ZeroDivisionError)
    assert answers == {1: 12, 2: 6, 3: 4}


def test_answers_that_never_come_are_not_waited_for(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.2)
    began = time.monotonic()
    assert list(rounds.answers(range(2), lambda _: hanging.wait(SECONDS))) == []
    assert time.monotonic() - began < SECONDS / 2
    assert "answers not waited for" in caplog.text


def test_no_subject_is_taken_that_nobody_has_time_to_ask_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "BEGIN_SECONDS", -1.0)
    subjects = iter(range(3))
    assert list(rounds.answers(subjects, str)) == []
    assert next(subjects) == 0


def test_subjects_are_taken_one_by_one_as_threads_come_free(hanging: threading.Event) -> None:
    taken: list[int] = []

    def subjects() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    coming = rounds.answers(subjects(), lambda number: number if number == 3 else hanging.wait(SECONDS))
    next(coming)
    assert taken == [0, 1, 2, 3]
    hanging.set()
    assert len(list(coming)) == 9


@pytest.mark.django_db(transaction=True)
def test_one_is_inside_at_a_time_and_the_others_go_away() -> None:
    everybody_asked = threading.Barrier(5)

    def enter(_: int) -> bool:
        with rounds.only_one(rounds.ASKING_LOCK) as mine:
            everybody_asked.wait(SECONDS)
            return mine

    assert sorted(race(5, enter), key=bool) == [False] * 4 + [True]
    with rounds.only_one(rounds.ASKING_LOCK) as mine:
        assert mine
