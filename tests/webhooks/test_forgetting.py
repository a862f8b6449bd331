"""Deliveries are kept for a while and then forgotten: only what is done with, and only after that long."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from tests.webhooks.delivering import stored
from tests.webhooks.signing import ok_body
from webhooks import deliveries, tasks
from webhooks.models import Delivery, Flag

pytestmark = pytest.mark.django_db


def aged(name: str, *, received: int, processed: int | None, flag: str = "", pinned: bool = True) -> None:
    """A delivery by its request id, with its age in days."""
    now = timezone.now()
    delivery = stored(uuid4(), ok_body(name, {}), name)
    Delivery.objects.filter(pk=delivery.pk).update(
        received_at=now - timedelta(days=received),
        processed_at=None if processed is None else now - timedelta(days=processed),
        flag=flag,
        pinned=pinned,
    )


def kept() -> set[str]:
    return set(Delivery.objects.values_list("request_id", flat=True))


def test_what_is_done_with_is_forgotten_after_ninety_days(settings: Settings) -> None:
    assert settings.NEOAPEX_DELIVERIES_KEPT_DAYS == 90
    aged("old", received=91, processed=91)
    aged("old and nobody's", received=91, processed=91, pinned=False)
    aged("old and flagged", received=91, processed=91, flag=Flag.FOREIGN_REQUEST)
    aged("young", received=89, processed=89)
    aged("young and nobody's", received=89, processed=89, pinned=False)
    tasks.forget_old()
    assert kept() == {"young", "young and nobody's"}


def test_what_waits_or_was_flagged_since_is_kept_however_old_it_is() -> None:
    aged("waits", received=400, processed=None)
    aged("sent through again", received=400, processed=1)
    aged("flagged since", received=400, processed=89, flag=Flag.DEAD)
    assert deliveries.forget_old() == 0
    assert kept() == {"waits", "sent through again", "flagged since"}


def test_for_how_long_is_the_operators_to_say(settings: Settings) -> None:
    settings.NEOAPEX_DELIVERIES_KEPT_DAYS = 7
    aged("a week", received=8, processed=8)
    aged("not yet", received=6, processed=6)
    deliveries.forget_old()
    assert kept() == {"not yet"}


def test_many_are_forgotten_a_few_at_a_time_and_with_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "FORGOTTEN_AT_ONCE", 2)
    for number in range(5):
        aged(str(number), received=100, processed=100)
    with monkeypatch.context() as bounded:
        bounded.setattr(deliveries, "FORGET_BATCHES", 1)
        assert deliveries.forget_old() == 2
    assert deliveries.forget_old() == 3
    assert kept() == set()
