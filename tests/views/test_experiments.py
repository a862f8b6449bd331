"""The pages of experiments, as somebody without JavaScript sees them."""

import re
from typing import Any

import pytest
from django.test import Client

from studio import already_made, blind, experiments
from studio.models import Experiment, Generation, Round, Track, User, Verdict
from studio.states import Parameter
from tests import factories

FIXED: dict[str, Any] = {"prompt": None, "tags": factories.TAGS, "lyrics": factories.LYRICS}


def make_song(person: User, **recipe: Any) -> Track:
    song = factories.make_song(person=person, songs=1, recipe=FIXED | recipe)
    Generation.objects.filter(pk=song.pk).update(recipe_digest=already_made.digest(song))
    return song.tracks.get()


@pytest.fixture
def track(ada: User) -> Track:
    return make_song(ada)


@pytest.fixture
def heard(ada: User, track: Track) -> Experiment:
    """An experiment whose arms can all be heard."""
    values = [1.8, 2.4, 2.9]
    for value in values:
        make_song(ada, vibe_strength=value)
    return experiments.start(person=ada, track_id=track.pk, parameter="vibe_strength", values=values)[0]


def page_of(browser: Client, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def test_a_song_leads_to_its_experiment_and_the_form_proposes_its_own_value(browser: Client, track: Track) -> None:
    path = f"/experiments/new/{track.pk}/"
    assert path in page_of(browser, f"/generations/{track.generation_id}/")
    page = page_of(browser, path)
    assert 'name="value_0" value="2.0"' in page
    assert 'name="value_1" value="2.6"' in page
    assert "$0.075" in page
    assert 'name="value_0" value="auto"' in page_of(browser, f"{path}?parameter=bpm")


def test_the_price_and_every_reason_stand_at_the_button(browser: Client, track: Track) -> None:
    typed = {"parameter": "vibe_strength", "value_0": "1.8", "value_1": "9"}
    answer = browser.post(f"/experiments/new/{track.pk}/quote", typed).content.decode()
    assert "out of range" in answer
    answer = browser.post(f"/experiments/new/{track.pk}/quote", typed | {"value_1": "2,4"}).content.decode()
    assert "$0.15" in answer


def test_an_experiment_starts_from_the_form_once_for_a_key(browser: Client, track: Track) -> None:
    typed = {"parameter": "bpm", "value_0": "free", "value_1": "90", "value_3": "auto", "idempotency_key": "k"}
    for _ in range(2):
        answer = browser.post(f"/experiments/new/{track.pk}/", typed)
        assert answer.status_code == 302
    experiment = Experiment.objects.get()
    assert answer["Location"] == f"/experiments/{experiment.pk}/"
    assert [arm.setting for arm in experiment.arms.order_by("position")] == [None, 90, "auto"]
    page = page_of(browser, answer["Location"])
    assert "Only BPM differs" in page
    assert "hx-get" in page, "it looks again while arms are under way"


def test_a_refusal_keeps_what_was_typed(browser: Client, track: Track) -> None:
    typed = {"parameter": "vibe_strength", "value_0": "1.8", "value_1": "1.8"}
    answer = browser.post(f"/experiments/new/{track.pk}/", typed)
    assert answer.status_code == 422
    assert "Two of the values are the same" in answer.content.decode()
    assert 'name="value_1" value="1.8"' in answer.content.decode()
    assert not Experiment.objects.exists()


def test_a_described_song_is_frozen_with_a_word_about_what_that_means(browser: Client, ada: User) -> None:
    song = factories.make_song(person=ada, songs=1, written_tags=["waltz"], written_lyrics="[Verse]\nRain")
    path = f"/experiments/new/{song.tracks.get().pk}/"
    page = page_of(browser, path)
    assert "The frozen song is a new one" in page
    assert "value_0" not in page
    assert 'name="freeze" value="1"' in page_of(browser, f"{path}?freeze=1")
    typed = {"parameter": "vibe_strength", "value_0": "1.8", "value_1": "2.4"}
    assert browser.post(path, typed).status_code == 422
    assert browser.post(path, typed | {"freeze": "1"}).status_code == 302
    assert Experiment.objects.get().frozen


def test_what_can_not_be_compared_leads_back_with_the_reason(browser: Client, track: Track) -> None:
    Generation.objects.filter(pk=track.generation_id).update(endpoint="extend")
    answer = browser.get(f"/experiments/new/{track.pk}/", follow=True)
    assert "made from the sound of another" in answer.content.decode()


def test_arms_play_without_scripts_and_say_what_was_free(browser: Client, heard: Experiment) -> None:
    page = page_of(browser, f"/experiments/{heard.pk}/")
    assert page.count("<audio") == 3
    assert page.count(", free") == 3
    assert "1.8" in page
    assert "hx-get" not in page


def test_a_verdict_is_kept_with_its_note(browser: Client, heard: Experiment) -> None:
    path = f"/experiments/{heard.pk}/"
    assert browser.post(f"{path}judge", {"choice": "B", "note": "<nearer>"}).status_code == 302
    page = page_of(browser, path)
    assert "B · 2.4" in page
    assert "&lt;nearer&gt;" in page
    assert browser.post(f"{path}judge", {"choice": "Z"}).status_code == 422
    assert Verdict.objects.count() == 1


def test_a_failed_arm_is_made_once_more_at_a_price_that_is_said_first(browser: Client, ada: User, track: Track) -> None:
    experiment, _ = experiments.start(person=ada, track_id=track.pk, parameter="bpm", values=[90, 120])
    first = experiment.arms.get(position=0)
    assert first.generation_id is not None
    Generation.objects.filter(pk=first.generation_id).update(
        state="FAILED", finished_at="2026-11-01T12:00Z", reason_message="fal broke."
    )
    path = f"/experiments/{experiment.pk}/"
    page = page_of(browser, path)
    assert "fal broke. Nothing was charged." in page
    assert "Make it once more · $0.075" in page
    assert browser.post(f"{path}arms/{first.pk}/retry", {"idempotency_key": "k"}).status_code == 302
    assert browser.post(f"{path}arms/{first.pk}/retry", {"idempotency_key": "other"}).status_code == 409


def test_another_persons_experiments_are_not_there(ben_browser: Client, heard: Experiment, track: Track) -> None:
    for path in (f"/experiments/{heard.pk}/", f"/experiments/new/{track.pk}/"):
        assert ben_browser.get(path).status_code == 404
    assert str(heard.pk) not in page_of(ben_browser, "/experiments/")


# --- Blind -----------------------------------------------------------------------------------------------------------


def begin(browser: Client, experiment: Experiment, **asked: Any) -> str:
    answer = browser.post(f"/experiments/{experiment.pk}/blind/", {"kind": "PREFERENCE"} | asked)
    assert answer.status_code == 302
    return str(answer["Location"])


def test_a_blind_page_names_nothing_that_tells_which_is_which(browser: Client, heard: Experiment) -> None:
    page = page_of(browser, begin(browser, heard))
    main = page[page.index("<main") : page.index("</main>")]
    for arm in heard.arms.all():
        assert arm.reused is not None
        secrets = [str(arm.pk), str(arm.reused_id), str(arm.reused.generation_id), arm.value, arm.reused.title]
        assert [secret for secret in secrets if secret in main] == []
    assert re.findall(r'data-db="([^"]*)"', main) == ["0", "0", "0"]
    assert main.count("<audio") == 3


def test_a_blind_verdict_reveals_and_the_round_is_over(browser: Client, heard: Experiment) -> None:
    path = begin(browser, heard)
    assert browser.post(path, {"choice": "7"}).status_code == 422
    answer = browser.post(path, {"choice": "1", "note": "this"})
    assert answer["Location"] == f"/experiments/{heard.pk}/"
    drawn = Round.objects.get()
    verdict = Verdict.objects.get()
    assert verdict.arm == heard.arms.get(position=drawn.order[1])
    assert "blind" in page_of(browser, answer["Location"])
    assert browser.get(path).status_code == 302
    assert browser.post(path, {"choice": "0"}).status_code == 409
    assert browser.get(f"{path}0").status_code == 409


def test_an_abx_leads_from_round_to_round_and_ends_with_an_honest_word(browser: Client, heard: Experiment) -> None:
    path = begin(browser, heard, kind="ABX", rounds="8", letters=["A", "C"])
    for number in range(8):
        page = page_of(browser, path)
        assert f"Round {number + 1} of 8" in page
        drawn = Round.objects.get(answered_at=None)
        wrong = 1 - drawn.order.index(drawn.order[2])
        path = str(browser.post(path, {"choice": str(wrong)})["Location"])
    page = page_of(browser, path)
    assert "A / C: 0 of 8 right" in page
    assert "No difference shown" in page
    assert "100.0 %" in page


def test_whoever_gives_up_sees_all_and_has_shown_nothing(browser: Client, heard: Experiment) -> None:
    begin(browser, heard, kind="ABX", rounds="8", letters=["A", "C"])
    page = page_of(browser, f"/experiments/{heard.pk}/")
    assert "Go on with it" in page
    browser.post(f"/experiments/{heard.pk}/blind/give-up")
    assert "Given up before the end" in page_of(browser, f"/experiments/{heard.pk}/")


def test_another_persons_round_is_not_there(browser: Client, ben_browser: Client, heard: Experiment) -> None:
    path = begin(browser, heard)
    for one in (path, f"{path}0"):
        assert ben_browser.get(one).status_code == 404
    assert ben_browser.post(path, {"choice": "0"}).status_code == 404
    assert ben_browser.post(f"/experiments/{heard.pk}/blind/", {"kind": "PREFERENCE"}).status_code == 404
    assert ben_browser.post(f"/experiments/{heard.pk}/blind/give-up").status_code == 404
    assert browser.get(f"{path}9").status_code == 404


# --- Reading ---------------------------------------------------------------------------------------------------------


def judged(person: User, track: Track, winner: str, values: list[float], *, is_blind: bool = False) -> None:
    experiment, _ = experiments.start(person=person, track_id=track.pk, parameter="vibe_strength", values=values)
    if is_blind:
        drawn = blind.begin(person=person, experiment_id=experiment.pk, kind="PREFERENCE")
        slot = drawn.order.index("ABCD".index(winner))
        blind.answer(person=person, experiment_id=experiment.pk, round_id=drawn.pk, slot=slot)
    else:
        experiments.judge(person=person, experiment_id=experiment.pk, choice=winner)


def test_what_won_is_counted_by_genre_with_intervals(browser: Client, heard: Experiment, ada: User) -> None:
    for _ in range(3):
        judged(ada, heard.track, "A", [1.8, 2.4])
    judged(ada, heard.track, "no_difference", [1.8, 2.4])
    page = page_of(browser, "/experiments/reading/vibe_strength/")
    assert "4 experiments" in page
    assert "1 without a difference" in page
    assert "No value has won more often than chance explains" in page
    assert "<svg" in page
    answer = browser.get("/experiments/reading/vibe_strength.csv")
    rows = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert rows[0].startswith("parameter,genre,value,won,experiments")
    assert rows[1].startswith("vibe_strength,all,1.8,3,4,0.7500,0.3006,0.9544")


def test_there_is_a_reading_of_each_parameter_and_of_nothing_else(browser: Client, ada: User) -> None:
    for parameter in Parameter.values:
        assert "No verdicts yet" in page_of(browser, f"/experiments/reading/{parameter}/")
    page_of(browser, "/experiments/reading/seed/", 404)
    page_of(browser, "/experiments/reading/seed.csv", 404)
    assert "Hear what one knob does" in page_of(browser, "/experiments/")


def test_the_composer_suggests_what_won_and_says_on_what_ground(browser: Client, heard: Experiment, ada: User) -> None:
    typed = {"mode": "exact", "tags": "indie folk", "lyrics": "la", "vibe_strength": "2.0"}
    for _ in range(4):
        judged(ada, heard.track, "B", [1.8, 2.4], is_blind=True)
    assert "which won" not in browser.post("/quote/", typed).content.decode()
    for _ in range(4):
        judged(ada, heard.track, "B", [1.8, 2.4], is_blind=True)
    hint = browser.post("/quote/", typed).content.decode()
    assert "which won 8 of your 8 experiments (95 %: 68 to 100 %)" in hint
    assert 'data-vibe="2.4"' in hint
