"""Mails about songs that took long: only to who wants them, and each once."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail
from django.utils import timezone

from studio import notices
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests import factories

LONG_AGO = timedelta(minutes=6)


@pytest.fixture
def ada(ada: User) -> User:
    notices.choose(ada, mails_long_songs=True)
    return ada


def ended(person: User, state: str = State.READY, took: timedelta = LONG_AGO, **fields: Any) -> Generation:
    now = timezone.now()
    return factories.make_generation(person=person, state=state, created_at=now - took, finished_at=now, **fields)


def test_a_song_that_took_long_is_told_by_one_mail(ada: User) -> None:
    song = ended(ada)
    assert [notices.mail_long_songs(), notices.mail_long_songs()] == [1, 0]
    [sent] = mail.outbox
    assert sent.to == ["ada@example.com"]
    assert sent.subject == "Neo-Apex: your song is ready"
    assert f"/generations/{song.pk}/" in sent.body
    assert "A slow waltz" in sent.body


def test_a_failure_says_why_and_that_nothing_was_charged(ada: User) -> None:
    ended(ada, State.FAILED, reason_message="fal's model isn't there & now \"gone\".")
    assert notices.mail_long_songs() == 1
    assert mail.outbox[0].subject == "Neo-Apex: your song failed"
    assert "fal's model isn't there & now \"gone\". Nothing was charged." in mail.outbox[0].body


@pytest.mark.parametrize("took", [timedelta(seconds=90), timedelta(minutes=4, seconds=59)])
def test_a_song_of_the_usual_time_is_not_told(ada: User, took: timedelta) -> None:
    ended(ada, took=took)
    assert notices.mail_long_songs() == 0


def test_nobody_gets_mails_who_did_not_ask_for_them(bo: User) -> None:
    ended(bo)
    assert bo.mails_long_songs is False
    assert notices.mail_long_songs() == 0
    assert mail.outbox == []


@pytest.mark.parametrize("state", [State.CANCELLED, State.RUNNING, State.INGESTING])
def test_what_was_cancelled_or_still_runs_is_not_told(ada: User, state: str) -> None:
    factories.make_generation(person=ada, state=state, created_at=timezone.now() - LONG_AGO)
    assert notices.mail_long_songs() == 0


def test_whoever_switches_it_on_gets_no_mails_about_yesterday(ada: User) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    factories.make_generation(person=ada, state=State.READY, created_at=yesterday - LONG_AGO, finished_at=yesterday)
    assert notices.mail_long_songs() == 0


def test_somebody_whose_account_is_closed_gets_none(ada: User) -> None:
    ended(ada)
    User.objects.update(is_active=False)
    assert notices.mail_long_songs() == 0


def test_a_mail_that_does_not_get_out_is_sent_by_the_next_round(ada: User) -> None:
    ended(ada)
    with patch("studio.notices.EmailMessage.send", side_effect=ConnectionRefusedError):
        assert notices.mail_long_songs() == 0
    assert notices.mail_long_songs() == 1
