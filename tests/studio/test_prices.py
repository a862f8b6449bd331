"""Prices that change while songs are under way: each song keeps the price of the moment it was asked for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from ledger import organisation
from ledger.models import Entry, EntryKind, Spending
from studio import endpoints, generations, queries, settling
from studio.endpoints import UnitPrice
from studio.fal.answers import generation_failed
from studio.fal.errors import GenerationFailed, Said
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import (
    DESCRIBED,
    ONE_SONG,
    TWO_SONGS,
    asked_for,
    house_micros,
    kinds_of,
    make_ready,
    make_unreadable,
    money_of,
    song,
    submitted,
    two_songs,
)

SONGS = "text-to-music"
DEARER = 90_001
TWO_DEARER = 135_002
PriceFrom = Callable[..., None]


@pytest.fixture
def price_from(monkeypatch: pytest.MonkeyPatch) -> PriceFrom:
    """Add a line to the price list, valid from a moment on: now unless given."""

    def add(micros: int, since: datetime | None = None) -> None:
        old = endpoints.get(SONGS)
        line = UnitPrice(since or timezone.now(), micros)
        changed = {SONGS: replace(old, prices=(*old.prices, line))}
        monkeypatch.setattr(endpoints, "ENDPOINTS", {**endpoints.ENDPOINTS, **changed})

    return add


def quoted(user: User, songs: int = 1) -> int | None:
    return generations.quote(person=user, endpoint=SONGS, inputs=DESCRIBED | {"num_songs": songs}).cost_micros


def billed_failure(units: str) -> GenerationFailed:
    return generation_failed(Said(500, billable_units=Decimal(units)), None)


def settle(generation: Generation, outcome: object) -> Generation:
    settling.settle(generation.pk, outcome, request_id=generation.request_id)  # type: ignore[arg-type]
    return Generation.objects.get(pk=generation.pk)


@pytest.mark.parametrize("songs", [1, 2])
@pytest.mark.parametrize("unit", [75_000, DEARER, 1])
def test_the_quote_is_the_hold_and_the_hold_is_the_charge(
    ada: User, price_from: PriceFrom, songs: int, unit: int
) -> None:
    price_from(unit)
    quote = quoted(ada, songs)
    generation = submitted(ada, num_songs=songs)
    assert money_of(ada) == (quote, 0)
    settle(generation, two_songs() if songs == 2 else song())
    assert money_of(ada) == (0, quote)
    assert generation.cost_micros == quote


def test_a_price_that_rises_in_between_leaves_the_open_song_alone(ada: User, price_from: PriceFrom) -> None:
    generation = submitted(ada, num_songs=2)
    price_from(DEARER)
    assert (quoted(ada), quoted(ada, 2)) == (DEARER, TWO_DEARER)
    assert money_of(ada) == (TWO_SONGS, 0)
    done = settle(generation, two_songs())
    assert (done.cost_micros, done.charged_micros) == (TWO_SONGS, TWO_SONGS)
    assert money_of(ada) == (0, TWO_SONGS)
    card = queries.card(ada, done.pk)
    assert card.retry_cost_micros == TWO_DEARER, "a retry is a new song, at the new price"


def test_a_song_asked_for_after_the_rise_costs_the_new_price(ada: User, price_from: PriceFrom) -> None:
    price_from(DEARER)
    settle(submitted(ada), song())
    assert money_of(ada) == (0, DEARER)


def test_a_price_that_is_announced_for_tomorrow_changes_nothing_today(ada: User, price_from: PriceFrom) -> None:
    price_from(DEARER, timezone.now() + timedelta(days=1))
    assert quoted(ada) == ONE_SONG
    assert asked_for(ada).cost_micros == ONE_SONG


def test_a_billed_failure_costs_the_house_the_price_of_the_songs_own_time(ada: User, price_from: PriceFrom) -> None:
    generation = submitted(ada, num_songs=2)
    price_from(DEARER)
    settle(generation, billed_failure("1.5"))
    assert (money_of(ada), house_micros()) == ((0, 0), TWO_SONGS)


def test_a_late_success_costs_the_house_what_the_song_was_asked_for_at(ada: User, price_from: PriceFrom) -> None:
    generation = submitted(ada)
    settle(generation, billed_failure("0"))
    price_from(DEARER)
    settle(generation, song())
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


@pytest.mark.parametrize("first_readable", [True, False])
def test_of_two_at_an_odd_price_one_costs_exactly_one_and_the_house_pays_the_rest(
    ada: User, price_from: PriceFrom, first_readable: bool
) -> None:
    price_from(DEARER)
    done = settle(submitted(ada, num_songs=2), two_songs())
    price_from(1)
    first, second = done.tracks.order_by("variation")
    (make_ready if first_readable else make_unreadable)(first)
    (make_unreadable if first_readable else make_ready)(second)
    settling.conclude(done.pk)
    assert (money_of(ada), house_micros()) == ((0, DEARER), TWO_DEARER - DEARER)


def test_price_month_and_row_are_of_one_moment(
    ada: User, price_from: PriceFrom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a song asked for in the last moment of a month could cost one price and be billed at another."""
    midnight = datetime.fromisoformat("2025-10-01T00:00:00+00:00")
    price_from(DEARER, midnight)
    last_moment = midnight - timedelta(microseconds=1)
    moments = iter([last_moment])
    monkeypatch.setattr(timezone, "now", lambda: next(moments, midnight))
    generation = asked_for(ada)
    monkeypatch.undo()
    generation.refresh_from_db()
    hold = Entry.objects.select_related("budget").get(kind=EntryKind.HOLD)
    assert (generation.created_at, generation.cost_micros) == (last_moment, ONE_SONG)
    assert f"{hold.budget.month:%Y-%m}" == "2025-09"


@pytest.mark.parametrize("units", ["0.000001", "1E-28", "1000", "1E+1000000", "9" * 500])
def test_units_that_cant_be_a_bill_do_not_keep_a_song_from_its_end(ada: User, units: str) -> None:
    generation = submitted(ada)
    assert settle(generation, billed_failure(units)).state == State.FAILED
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert (money_of(ada), house_micros()) == ((0, 0), 0)


def test_every_line_of_a_song_says_what_it_was_for(ada: User) -> None:
    settle(submitted(ada), song())
    settle(submitted(ada), billed_failure("1"))
    entries = Entry.objects.filter(reference__startswith="generation:")
    assert sorted(entries.values_list("kind", "label")) == [
        ("CHARGE", SONGS), ("CHARGE", SONGS), ("HOLD", SONGS), ("HOLD", SONGS), ("RELEASE", SONGS),
    ]  # fmt: skip
    spent = Spending.objects.values_list("budget__kind", "label", "spent_micros")
    assert sorted(spent) == [("HOUSE", SONGS, ONE_SONG), ("PERSON", SONGS, ONE_SONG)]


def test_a_quote_says_when_all_together_have_used_up_the_month(ada: User) -> None:
    organisation.set_cap(ONE_SONG)
    affordable = generations.quote(person=ada, endpoint=SONGS, inputs=DESCRIBED)
    refused = generations.quote(person=ada, endpoint=SONGS, inputs=DESCRIBED | {"num_songs": 2})
    assert affordable.reasons == []
    assert [reason.code for reason in refused.reasons] == ["organisation_cap_reached"]
