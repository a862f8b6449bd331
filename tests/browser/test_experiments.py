"""Arms side by side in a real browser: switches that keep the place, and a blind test that tells nothing."""

import base64
import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Response, expect

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser.conftest import PATIENCE_MS, PHONE, Visit
from tests.browser.experiment_scene import make_experiment
from tests.browser.test_comparing import wait_until
from tests.browser.test_every_page import TOO_SMALL, violations
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

RENDER_QUANTUM = 128
# What reaches the speakers is recorded as it goes there, and what was decoded is kept to be compared with.
RECORD = """
    window.buffers = []; window.blocks = []; window.recorder = null;
    const decode = BaseAudioContext.prototype.decodeAudioData;
    BaseAudioContext.prototype.decodeAudioData = async function (bytes) {
        const buffer = await decode.call(this, bytes);
        window.buffers.push(buffer);
        return buffer;
    };
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (to, ...more) {
        const { context } = this;
        if (to === context.destination && this !== window.recorder) {
            if (!window.recorder) {
                window.recorder = context.createScriptProcessor(4096, 2, 1);
                window.recorder.onaudioprocess = ({ inputBuffer }) =>
                    window.blocks.push(inputBuffer.getChannelData(0).slice());
                connect.call(window.recorder, context.destination);
            }
            connect.call(this, window.recorder);
        }
        return connect.call(this, to, ...more);
    };
    window.asText = (samples) => {
        const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
        let text = "";
        for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
        return btoa(text);
    };
    window.recorded = () => {
        const all = new Float32Array(window.blocks.length * 4096);
        window.blocks.forEach((block, place) => all.set(block, place * 4096));
        return window.asText(all);
    };
    window.decodedAs = (place) => window.asText(window.buffers[place].getChannelData(0).slice());
"""


@pytest.fixture(scope="module")
def experiment_id(studio: RunningStudio) -> str:
    return make_experiment(studio, [1.4, 2.2, 3.1])


@pytest.fixture(scope="module")
def tempo_id(studio: RunningStudio) -> str:
    """Arms that differ in what would tell them apart at once: their tempo."""
    return make_experiment(studio, [80, 140], "bpm")


def samples(page: Page, expression: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(page.evaluate(expression)), np.float32).astype(np.float64)


def place_in(source: np.ndarray, piece: np.ndarray) -> int:
    """Where in the source the piece is heard, as the greatest correlation."""
    size = 1 << int(np.ceil(np.log2(len(source) + len(piece))))
    found = np.fft.irfft(np.fft.rfft(source, size) * np.conj(np.fft.rfft(piece, size)), size)
    return int(np.argmax(found[: len(source)]))


@pytest.fixture
def visit(visit: Visit) -> Iterator[Visit]:
    """The recorder is of an old kind, which the browser says; a newer one would be one more script to let in."""
    yield visit
    visit.complaints[:] = [said for said in visit.complaints if "ScriptProcessorNode" not in said]


def open_experiment(context: BrowserContext, experiment_id: str) -> Page:
    page = context.new_page()
    page.add_init_script(RECORD)
    page.goto(f"/experiments/{experiment_id}/")
    expect(page.locator(".voice.is-heard")).to_be_visible()
    return page


def test_a_switch_keeps_the_position_within_ten_milliseconds_and_leaves_no_gap(
    visit: Visit, experiment_id: str
) -> None:
    with visit.context() as context:
        page = open_experiment(context, experiment_id)
        page.get_by_role("button", name="Same loudness").click()
        page.locator("[data-voices-play]").click()
        wait_until(page, "window.buffers.length === 3 && window.blocks.length > 12")
        for key in ("2", "3", "x", "2"):
            page.keyboard.press(key)
            page.wait_for_timeout(700)
        wait_until(page, "window.blocks.length > 40")
        heard = samples(page, "window.recorded()")
        arms = [samples(page, f"window.decodedAs({place})") for place in range(3)]
    begin = int(np.argmax(np.abs(heard) > 1e-4))
    # The recorder began with the first sound, so from there on the position has to go by the clock.
    offsets = []
    piece, played = 4096, set()
    for at in range(begin + 8192, min(len(heard), begin + 150_000) - piece, 8192):
        part = heard[at : at + piece]
        scores = [
            (likeness(arm[max(0, at - begin - 4000) : at - begin + piece + 4000], part), n)
            for n, arm in enumerate(arms)
        ]
        _score, arm = max(scores)
        played.add(arm)
        around = max(0, at - begin - 4000)
        offsets.append(place_in(arms[arm][around : at - begin + piece + 4000], part) + around - (at - begin))
    error_ms = (max(offsets) - min(offsets)) / 44.1
    print(f"position error over switches: {error_ms:.3f} ms")
    assert played == {0, 1, 2}
    assert error_ms < 10
    quiet = np.abs(heard[begin : begin + 150_000]) < 1e-7
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]]))))[::2]
    sources = [np.abs(arm[:150_000]) < 1e-7 for arm in arms]
    natural = max(longest(one) for one in sources)
    print(f"longest gap: {max(runs, default=0)} samples, in the arms themselves {natural}")
    assert max(runs, default=0) <= max(RENDER_QUANTUM, natural)


def likeness(source: np.ndarray, piece: np.ndarray) -> float:
    return float(np.max(np.correlate(source, piece)) / np.linalg.norm(source))


def longest(quiet: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    return int(max(np.diff(edges)[::2], default=0))


def test_keys_choose_an_arm_loop_and_pause(visit: Visit, experiment_id: str) -> None:
    with visit.context() as context:
        page = open_experiment(context, experiment_id)
        page.keyboard.press("2")
        wait_until(page, "window.buffers.length === 3")
        pressed = page.locator("[data-voice-pick][aria-pressed=true]")
        expect(pressed).to_have_accessible_name(re.compile("Hear B"))
        play = page.locator("[data-voices-play]")
        expect(play).to_have_accessible_name("Pause")
        page.keyboard.press("x")
        expect(pressed).to_have_accessible_name(re.compile("Hear C"))
        page.keyboard.press("4")
        expect(pressed).to_have_accessible_name(re.compile("Hear C"))
        page.keyboard.press("l")
        expect(page.get_by_role("button", name="Loop", exact=True)).to_have_attribute("aria-pressed", "true")
        page.locator("[data-voices-finish]").fill("2")
        page.locator("[data-voices-finish]").press("Tab")
        page.wait_for_timeout(2500)
        page.evaluate("document.activeElement.blur()")
        assert float(page.locator("[data-voices-position]").input_value()) <= 2000
        page.keyboard.press("Space")
        expect(play).to_have_accessible_name("Play")


class Overheard:
    """Everything that the browser gets, whatever asks for it."""

    def __init__(self, context: BrowserContext) -> None:
        self.answers: list[Response] = []
        context.on("response", self._note)

    def _note(self, answer: Response) -> None:
        self.answers.append(answer)


@pytest.fixture
def secrets_of(studio: RunningStudio, tempo_id: str) -> Iterator[list[str]]:
    """All that would tell an arm: ids, values, names, lengths in any form."""
    with studio.client(MUSICIAN) as client:
        told = client.get(f"/api/experiments/{tempo_id}").json()
        found: list[str] = []
        for arm in told["arms"]:
            track = client.get(f"/api/tracks/{arm['track']}").json()
            found += [arm["id"], arm["track"], arm["generation"], str(track["master"]["bytes"])]
            found += [f"{track['loudness_lufs']:.2f}", str(track["duration_seconds"])]
        yield [secret for secret in found if secret]


def test_nothing_that_the_browser_receives_tells_which_is_which(
    visit: Visit, tempo_id: str, secrets_of: list[str]
) -> None:
    with visit.context() as context:
        page = context.new_page()
        page.goto(f"/experiments/{tempo_id}/")
        page.goto("about:blank")
        overheard = Overheard(context)
        page.goto(f"/experiments/{tempo_id}/")
        overheard.answers.clear()
        page.get_by_role("button", name="Which do I prefer?").click()
        expect(page.get_by_role("heading", name="Which do you prefer?")).to_be_visible()
        page.locator("[data-voices-play]").click()
        expect(page.locator("[data-voices-play]")).to_have_accessible_name("Pause")
        page.keyboard.press("2")
        page.wait_for_timeout(500)
        sounds = [answer for answer in overheard.answers if re.search(r"/blind/[^/]+/\d$", answer.url)]
        assert len(sounds) == 2
        first, second = ({**sound.all_headers()} for sound in sounds)
        for changing in ("date", "expires", "etag", "x-request-id", "correlation-id", "request-id"):
            first.pop(changing, None)
            second.pop(changing, None)
        assert first == second
        assert len(sounds[0].body()) == len(sounds[1].body())
        for answer in overheard.answers:
            if "/static/" in answer.url or answer.request.resource_type == "eventsource":
                continue
            received = [answer.url, str(answer.all_headers())]
            if 200 <= answer.status < 300:
                received.append(answer.body().decode("utf-8", "replace"))
            for text in received:
                assert [secret for secret in secrets_of if secret in text] == [], answer.url
        kept = page.locator("main").evaluate("main => main.outerHTML")
        assert [secret for secret in [*secrets_of, "140", "Tempo", "BPM"] if secret in kept] == []
        assert not [answer.url for answer in overheard.answers if "/api/tracks/" in answer.url]
        page.get_by_label("No difference").check()
        page.get_by_role("button", name="Keep the verdict and see").click()
        expect(page.get_by_role("heading", name="Verdicts")).to_be_visible()
        expect(page.get_by_role("heading", name="Only BPM differs")).to_be_visible()


def test_without_scripts_the_arms_and_a_blind_round_play_as_plain_audio(visit: Visit, tempo_id: str) -> None:
    with visit.context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"/experiments/{tempo_id}/")
        expect(page.locator("audio")).to_have_count(2)
        page.get_by_role("button", name="Do I hear it? (ABX)").click()
        expect(page.locator("audio")).to_have_count(3)
        page.get_by_label("X is A").check()
        page.get_by_role("button", name="Answer").click()
        expect(page.get_by_text("Round 2 of 8")).to_be_visible()
        page.get_by_role("button", name="Give up").click()
        expect(page.get_by_text("Given up before the end")).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_page_of_experiments_has_a_fault(visit: Visit, experiment_id: str, tempo_id: str, theme: str) -> None:
    faults = {}
    with visit.context(viewport=PHONE, color_scheme=theme, has_touch=True) as context:
        page = context.new_page()
        page.goto(f"/experiments/{experiment_id}/")
        page.get_by_role("link", name=re.compile("neon|indie", re.IGNORECASE)).first.click()
        page.get_by_role("link", name="Compare settings").first.click()
        expect(page.get_by_role("heading", name="Compare settings")).to_be_visible()
        new = page.url
        page.goto(f"/experiments/{tempo_id}/")
        page.get_by_role("button", name="Which do I prefer?").click()
        expect(page.get_by_role("heading", name="Which do you prefer?")).to_be_visible()
        blind = page.url
        paths = ("/experiments/", "/experiments/reading/bpm/", f"/experiments/{experiment_id}/", new, blind)
        for path in paths:
            page.goto(path)
            page.wait_for_timeout(150)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
            # What chooses is touched by its label, which is as high as anything.
            small = [one for one in page.evaluate(TOO_SMALL) if 'type="radio"' not in one and "checkbox" not in one]
            assert small == [], path
            labels = page.locator(".choices .check").evaluate_all(
                "all => all.map((one) => one.getBoundingClientRect().height)"
            )
            assert all(height >= 43.5 for height in labels), path
            faults[path] = violations(page)
            visit.complaints.clear()
        page.goto(blind)
        page.get_by_role("button", name="Give up").click()
    assert {path: found for path, found in faults.items() if found} == {}
