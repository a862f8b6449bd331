"""One song: its card, its page, cancelling it and asking for it again."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from ledger.models import Quota
from ledger.queries import balance
from studio import transitions
from studio.models import Generation, Track, User
from studio.states import GenerationState as State
from tests import factories

HTMX = {"HX-Request": "true"}


def test_a_card_comes_with_the_budget_line(browser: Client) -> None:
    song = factories.make_generation(state=State.RUNNING)
    answer = browser.get(f"/generations/{song.pk}/card", headers=HTMX)
    html = answer.content.decode()
    assert html.lstrip().startswith("<article")
    assert 'id="budget-line"' in html
    assert "HX-Trigger" not in answer


@pytest.mark.parametrize("state", factories.FINAL)
def test_a_final_card_makes_the_price_line_ask_again(browser: Client, state: str) -> None:
    song = factories.make_generation(state=state)
    assert "money" in browser.get(f"/generations/{song.pk}/card", headers=HTMX)["HX-Trigger"]


def test_the_page_of_a_song_shows_recipe_history_and_download(browser: Client) -> None:
    song = factories.make_song(
        recipe={"prompt": None, "tags": ["fado"], "lyrics": "A boat that never asks"}, request_id="req-9"
    )
    html = browser.get(f"/generations/{song.pk}/").content.decode()
    for part in (
        "A boat that never asks",
        "fado",
        "req-9",
        str(song.seed),
        "Asked for; the price was set aside",
        "Download WAV of B",
    ):
        assert part in html
    assert f"?recipe={song.pk}" in html
    assert html.count("<h1") == 1


@pytest.mark.parametrize(
    ("songs", "words"),
    [
        (2, ["Done; being saved", "Variation A is saved", "Variation B is saved"]),
        (1, ["Done; being saved", "The song is saved"]),
    ],
)
def test_what_happened_names_each_variation_once(browser: Client, songs: int, words: list[str]) -> None:
    song = factories.make_song(songs=songs)
    transitions.record(song, "job_progress", state=State.INGESTING)
    for track in song.tracks.order_by("variation"):
        transitions.record(song, "job_progress", state=State.INGESTING, track=str(track.pk))
    html = browser.get(f"/generations/{song.pk}/").content.decode()
    told = re.findall(r"<span>([^<]+)</span></li>", html.partition('class="timeline"')[2].partition("</ol>")[0])
    assert [line for line in told if "saved" in line] == words


def test_what_sonauto_wrote_is_shown_as_such(browser: Client) -> None:
    song = factories.make_song(written_tags=["waltz"], written_lyrics="Rain on the lid")
    html = browser.get(f"/generations/{song.pk}/").content.decode()
    assert "Lyrics, written by Sonauto" in html
    assert "Rain on the lid" in html


@pytest.mark.parametrize("state", State.values)
def test_the_page_of_a_song_exists_in_every_state(browser: Client, state: str) -> None:
    song = factories.make_generation(state=state)
    assert browser.get(f"/generations/{song.pk}/").status_code == 200


@pytest.mark.parametrize("path", ["", "card"])
def test_somebody_elses_song_is_not_there(ben_browser: Client, path: str) -> None:
    song = factories.make_song(person=factories.ada())
    assert ben_browser.get(f"/generations/{song.pk}/{path}").status_code == 404
    assert ben_browser.get(f"/generations/{uuid4()}/{path}").status_code == 404


@pytest.mark.parametrize("action", ["cancel", "again"])
def test_nobody_acts_on_somebody_elses_song(ben_browser: Client, action: str) -> None:
    song = factories.make_generation(person=factories.ada())
    assert ben_browser.post(f"/generations/{song.pk}/{action}").status_code == 404
    assert Generation.objects.get().state == State.QUEUED


def test_cancelling_a_waiting_song_gives_the_money_back(browser: Client, ada: User) -> None:
    song = factories.make_generation()
    html = browser.post(f"/generations/{song.pk}/cancel", headers=HTMX).content.decode()
    assert 'data-phase="cancelled"' in html
    assert "Nothing was charged" in html
    assert "$10.00 left" in html
    assert balance(ada).held_micros == 0


def test_cancelling_what_has_ended_shows_how_it_ended(browser: Client) -> None:
    song = factories.make_song()
    assert 'data-phase="ready"' in browser.post(f"/generations/{song.pk}/cancel", headers=HTMX).content.decode()
    plain = browser.post(f"/generations/{song.pk}/cancel", follow=True)
    assert "finished already" in plain.content.decode()


def test_a_plain_cancel_leads_to_the_song(browser: Client) -> None:
    song = factories.make_generation()
    assert browser.post(f"/generations/{song.pk}/cancel")["Location"] == f"/generations/{song.pk}/"


def test_a_song_at_fal_is_asked_to_stop_and_says_so(browser: Client) -> None:
    song = factories.make_generation(state=State.RUNNING)
    html = browser.post(f"/generations/{song.pk}/cancel", headers=HTMX).content.decode()
    assert 'data-phase="running"' in html
    assert "fal has not said yet whether it has the song." in html
    assert ">Cancel<" not in html


def test_again_asks_for_the_same_recipe_as_a_new_song(browser: Client) -> None:
    failed = factories.make_generation(state=State.FAILED)
    answer = browser.post(f"/generations/{failed.pk}/again", {"idempotency_key": "again-1"}, headers=HTMX)
    new = Generation.objects.exclude(pk=failed.pk).get()
    assert answer.status_code == 201
    assert f'id="generation-{new.pk}"' in answer.content.decode()
    assert f'id="again-key-{failed.pk}"' in answer.content.decode()
    assert {**new.recipe} == {**failed.recipe}


def test_again_twice_with_one_key_is_one_song(browser: Client) -> None:
    failed = factories.make_generation(state=State.FAILED)
    for _ in range(2):
        assert browser.post(f"/generations/{failed.pk}/again", {"idempotency_key": "again-1"}).status_code == 302
    assert Generation.objects.count() == 2


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_again_without_money_says_so_on_the_card(browser: Client, ada: User, headers: dict[str, str]) -> None:
    failed = factories.make_generation(state=State.FAILED)
    Quota.objects.create(person=ada, monthly_micros=10_000_000, frozen=True)
    answer = browser.post(f"/generations/{failed.pk}/again", headers=headers)
    assert answer.status_code == 403
    assert "Your budget is frozen" in answer.content.decode()
    assert ("HX-Retarget" in answer) == bool(headers)
    assert Generation.objects.count() == 1


# --- Fetch again ------------------------------------------------------------------------------------------------------


def unreadable(songs: int = 1, **fields: object) -> Track:
    """The last variation of a song came as audio that can't be read; with one, that was all of it."""
    state = State.READY if songs == 2 else State.FAILED
    song = factories.make_generation(state=state, recipe={"num_songs": songs}, charged_micros=0)
    if songs == 2:
        factories.make_track(song)
    return factories.make_track(song, variation=songs - 1, state="UNREADABLE", **fields)


@pytest.mark.parametrize(("songs", "phase"), [(1, "saving"), (2, "ready")])
def test_a_track_that_can_not_be_read_is_fetched_again_by_a_click(browser: Client, songs: int, phase: str) -> None:
    track = unreadable(songs)
    address = f"/tracks/{track.pk}/fetch-again"
    assert address in browser.get(f"/generations/{track.generation_id}/").content.decode()
    html = browser.post(address, headers=HTMX).content.decode()
    assert f'data-phase="{phase}"' in html
    assert address not in html
    track.refresh_from_db()
    assert track.state == "PENDING"
    plain = browser.post(address)
    assert (plain.status_code, plain["Location"]) == (302, f"/generations/{track.generation_id}/")


def test_after_a_week_there_is_no_button_and_a_click_says_why(browser: Client) -> None:
    track = unreadable(created_at=timezone.now() - timedelta(days=8))
    address = f"/tracks/{track.pk}/fetch-again"
    assert address not in browser.get(f"/generations/{track.generation_id}/").content.decode()
    answer = browser.post(address, headers=HTMX)
    assert answer.status_code == 409
    assert "seven days" in answer.content.decode()


def test_nobody_fetches_somebody_elses_track_again(ben_browser: Client) -> None:
    track = unreadable()
    assert ben_browser.post(f"/tracks/{track.pk}/fetch-again").status_code == 404
    assert ben_browser.post(f"/tracks/{uuid4()}/fetch-again").status_code == 404
    assert Track.objects.get().state == "UNREADABLE"


def test_what_we_could_not_save_says_so_and_is_an_admins_to_fetch(browser: Client) -> None:
    song = factories.make_generation(state=State.FAILED, reason_code="not_saved", reason_whose="us", charged_micros=0)
    track = factories.make_track(song, state="PENDING", dead_at=timezone.now(), alarm="5 workers died over it")
    html = browser.get(f"/generations/{song.pk}/").content.decode()
    assert "could not be saved" in html
    assert f"/tracks/{track.pk}/fetch-again" not in html
    assert "workers died" not in html
