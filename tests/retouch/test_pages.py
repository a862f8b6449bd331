"""The pages, by a browser without JavaScript."""

import re
from typing import Any
from uuid import uuid4

from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from studio import retouches
from studio.models import Generation, Retouch, Track, User
from tests.retouch.scenes import begun, delivered, failed, last_take, retried
from tests.studio.people import ONE_SONG, money_of

FORM = {"start": "8", "end": "0:12.5", "tags": "folk, warm", "lyrics": "one\r\ntwo", "idempotency_key": "k"}


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_the_form_is_filled_with_the_tracks_own_words_and_names_the_price(browser: Client, track: Track) -> None:
    answer = browser.get(f"/tracks/{track.pk}/retouch/")
    page = answer.content.decode()
    assert 'name="start"' in page
    assert 'value="8"' in page
    assert 'value="12"' in page
    assert 'value="folk"' in page
    assert "[Verse]\none" in page
    assert "Retouch · $0.075" in page
    assert "retry up to 3 times, for $0.075 each" in text_of(answer)


def test_a_whole_retouch_by_plain_forms(browser: Client, ada: User, track: Track) -> None:
    answer = browser.post(f"/tracks/{track.pk}/retouch/", FORM)
    retouch = Retouch.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/retouches/{retouch.pk}/")
    assert (retouch.start_ms, retouch.end_ms) == (8000, 12_500)
    address = f"/retouches/{retouch.pk}/"
    assert "Waiting" in text_of(browser.get(address))
    for number in (1, 2, 3):
        delivered(last_take(retouch))
        page = text_of(browser.get(address))
        money = {1: "$0.225", 2: "$0.15", 3: "$0.075"}[number]
        assert f"Retry {number} of 3 · $0.075 · at most {money} more" in page
        refused = browser.post(f"{address}takes", {"seed": "new"})
        assert refused.status_code == 422
        assert "Say first why the last take" in text_of(refused)
        retry = {"reason": "GLITCH", "note": "click", "seed": "new", "idempotency_key": f"k{number}"}
        assert browser.post(f"{address}takes", retry).status_code == 302
    made = delivered(last_take(retouch))
    page = text_of(browser.get(address))
    assert "All 3 retries are used" in page
    assert "Retry 4" not in page
    assert browser.post(f"{address}takes", {"reason": "GLITCH"}).status_code == 409
    assert browser.post(f"{address}accept", {"take": str(made.generation_id)}).status_code == 302
    assert "The take is a track among your songs" in text_of(browser.get(address))
    song = text_of(browser.get(f"/generations/{made.generation_id}/"))
    assert "Retouched from Kettle" in song
    assert money_of(ada) == (0, 5 * ONE_SONG)


def test_a_refused_form_keeps_every_word_and_says_what_is_wrong_where(browser: Client, ada: User, track: Track) -> None:
    answer = browser.post(f"/tracks/{track.pk}/retouch/", FORM | {"end": "8.2", "lyrics": "typed words", "tags": ""})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "typed words" in page
    assert re.search(r'id="error-end"[^>]*><p>The section is too short|id="error-tags"[^>]*><p>Retouching needs', page)
    for end in ("8.2", "soon", "", "99"):
        answer = browser.post(f"/tracks/{track.pk}/retouch/", FORM | {"end": end})
        assert answer.status_code == 422
        assert re.search(r'id="error-end"[^>]*><p>\w', answer.content.decode()), end
    assert money_of(ada) == (0, ONE_SONG)


def test_a_double_click_is_one_take(browser: Client, track: Track) -> None:
    first, second = (browser.post(f"/tracks/{track.pk}/retouch/", FORM) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert Retouch.objects.count() == 1


def test_a_failed_take_says_that_it_costs_nothing_and_asks_for_no_verdict(
    browser: Client, ada: User, track: Track
) -> None:
    retouch = begun(ada, track)
    failed(last_take(retouch))
    page = text_of(browser.get(f"/retouches/{retouch.pk}/"))
    assert "doesn't count as a take" in page.replace("&#x27;", "'")
    assert "Try again · $0.075" in page
    assert "Why won" not in page


def test_the_take_that_is_asked_for_stands_beside_the_original(browser: Client, ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    first = delivered(last_take(retouch))
    second = delivered(retried(ada, retouch))
    address = f"/retouches/{retouch.pk}/"
    assert f'data-track="{second.pk}"' in browser.get(address).content.decode()
    page = browser.get(f"{address}?take={first.generation_id}").content.decode()
    assert f'data-track="{first.pk}"' in page
    assert f'data-track="{track.pk}"' in page
    assert "Accept take 1" in page
    told = text_of(browser.get(f"{address}takes/{first.generation_id}/difference"))
    assert "Outside the section the take equals the original" in told


def test_a_takes_own_addresses_lead_to_where_it_is_judged(browser: Client, ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    made = delivered(last_take(retouch))
    answer = browser.get(f"/generations/{made.generation_id}/")
    assert answer.headers["Location"] == f"/retouches/{retouch.pk}/"
    told = browser.get(f"/generations/{made.generation_id}/card").content.decode()
    assert "data-elsewhere" in told
    assert f'href="/retouches/{retouch.pk}/?take={made.generation_id}"' in told
    panel = browser.get(f"/retouches/{retouch.pk}/panel").content.decode()
    assert f'id="generation-{made.generation_id}"' in panel
    assert "<html" not in panel


def test_a_cold_master_offers_its_mp3_and_names_the_loss(browser: Client, track: Track) -> None:
    Track.objects.filter(pk=track.pk).update(
        master_storage="RESTORING", restore_asked_at=timezone.now(), restore_ready_by=timezone.now()
    )
    page = text_of(browser.get(f"/tracks/{track.pk}/retouch/"))
    assert "It should be here by" in page
    assert "make it from the MP3" in page


def test_the_page_of_an_extension_makes_a_card_that_names_its_source(browser: Client, ada: User, track: Track) -> None:
    assert "Extend · $0.075" in browser.get(f"/tracks/{track.pk}/extend/").content.decode()
    form = {"side": "left", "extend_duration": "8", "crop_duration": "0", "tags": "folk", "lyrics": "", "seed": ""}
    answer = browser.post(f"/tracks/{track.pk}/extend/", form)
    made = Generation.objects.get(purpose="EXTENSION")
    assert answer.headers["Location"] == f"/#generation-{made.pk}"
    assert "Extended before the beginning of Kettle" in text_of(browser.get("/"))
    wrong = browser.post(f"/tracks/{track.pk}/extend/", form | {"side": "up", "crop_duration": "x"})
    assert wrong.status_code == 422
    assert 'value="x"' in wrong.content.decode()


def test_the_feed_takes_no_query_more_for_a_source(
    browser: Client, ada: User, track: Track, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    form = {"side": "left", "tags": "folk", "lyrics": ""}
    for _ in range(4):
        browser.post(f"/tracks/{track.pk}/extend/", form)
    with django_assert_max_num_queries(17):
        browser.get("/")


def test_the_lineage_page_shows_the_tree_and_its_money(browser: Client, ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    made = delivered(last_take(retouch))
    retouches.accept(person=ada, retouch_id=retouch.pk, take_id=made.generation_id)
    page = text_of(browser.get(f"/tracks/{made.pk}/lineage/"))
    assert "2 tracks, $0.15 in all" in page
    assert "Retouch 0:08–0:12, take 1 $0.075" in page
    assert "Section 8–12 s" in page


def test_what_is_not_ones_own_is_not_there(browser: Client, ben: User, track: Track) -> None:
    retouch = begun(track.person, track)
    browser.force_login(ben, "allauth.account.auth_backends.AuthenticationBackend")
    for path in ("retouch", "extend", "lineage"):
        assert browser.get(f"/tracks/{track.pk}/{path}/").status_code == 404
    for path in ("", "panel", f"takes/{uuid4()}/difference"):
        assert browser.get(f"/retouches/{retouch.pk}/{path}").status_code == 404
    for path in ("takes", "accept", "abandon", "undo"):
        assert browser.post(f"/retouches/{retouch.pk}/{path}").status_code == 404


def test_an_open_retouch_is_found_again_from_the_studio_and_from_its_song(
    browser: Client, ada: User, track: Track
) -> None:
    retouch = begun(ada, track)
    for page in ("/", f"/generations/{track.generation_id}/"):
        assert f'href="/retouches/{retouch.pk}/"' in browser.get(page).content.decode()
    retouches.abandon(person=ada, retouch_id=retouch.pk)
    assert f"/retouches/{retouch.pk}/" not in browser.get("/").content.decode()
    assert "the original was kept" in text_of(browser.get(f"/generations/{track.generation_id}/"))
