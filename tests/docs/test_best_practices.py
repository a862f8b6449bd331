"""The decision reference: short as promised, each snippet run against the simulator, each figure with its source."""

import gc
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fal_client
import fal_client.client as sdk
import httpx
import pytest
from nacl.exceptions import BadSignatureError

from tests.docs.blocks import DOCS, ROOT, blocks_of
from tests.simulator.conftest import Receiver, wait_until
from tests.simulator.server import RunningSimulator, running_simulator

PAGE = DOCS / "reference" / "fal-ai-best-practices.md"
SNIPPETS = {block.name: block.text for block in blocks_of(PAGE, "python")}
HEADINGS = (
    "Sync or queue", "Webhook or poll", "Retry or not", "Cache or not", "Which model", "Configuration", "Performance",
    "Three scenarios", "Troubleshooting", "Elsewhere", "More",
)  # fmt: skip

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def sim() -> Iterator[RunningSimulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def run(sim: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs snippets one after the other in one namespace; only fal's hosts are other ones."""
    sim.clear_moods()
    monkeypatch.setenv("FAL_KEY", sim.key)
    for name in ("QUEUE_URL_FORMAT", "RUN_URL_FORMAT"):
        monkeypatch.setattr(sdk, name, f"{sim.url}/")
    fal_client.sync_client.__dict__.pop("_client", None)

    def run(*names: str, **given: Any) -> dict[str, Any]:
        namespace = dict(given)
        for name in ("setup", *names):
            code = re.sub(r"https://(queue\.fal\.run|api\.fal\.ai|rest\.fal\.ai)", sim.url, SNIPPETS[name])
            exec(compile(code, f"{PAGE.name}:{name}", "exec"), namespace)  # noqa: S102
        return namespace

    yield run
    client = fal_client.sync_client.__dict__.pop("_client", None)
    if client is not None:
        client.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


# --- The page --------------------------------------------------------------------------------------------------------


def test_it_is_read_in_minutes() -> None:
    """Counted as `wc -w` counts: code, tables and links, too."""
    assert len(PAGE.read_text().split()) < 1500


def test_it_has_ten_to_fifteen_snippets_of_ten_lines_at_most() -> None:
    assert 10 <= len(SNIPPETS) <= 15
    assert {name: len(code.splitlines()) for name, code in SNIPPETS.items() if len(code.splitlines()) > 10} == {}


def test_every_snippet_is_run_by_a_test_here() -> None:
    text = Path(__file__).read_text()
    used = {name for call in re.findall(r"\brun\(([^)]*)", text) for name in re.findall(r'"(\w+)"', call)}
    assert SNIPPETS.keys() - {"setup"} == used & SNIPPETS.keys()


def test_it_covers_what_it_promises() -> None:
    text = PAGE.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(HEADINGS)
    for topic in HEADINGS[:4]:
        section = text.partition(f"## {topic}\n")[2].partition("\n## ")[0]
        assert "├─" in section, topic
        assert section.count("**Choose ") == 2, topic
        assert "Example: " in section, topic
        assert re.search(r"^\| --- ", section, re.MULTILINE), topic


def test_every_source_is_used_and_every_use_has_its_source() -> None:
    text = PAGE.read_text()
    defined = set(re.findall(r"^\[(\w+)\]: https://\S+$", text, re.MULTILINE))
    assert set(re.findall(r"\]\[([a-z]+)\]", text)) == defined


def test_every_price_and_term_of_fals_stands_beside_its_source() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if re.search(r"\$\d|\b\d+ (s|hours?|days|tries)\b", line)]
    ours = ("| read timeout ", "| JWKS |", "| output")
    assert [row for row in rows if "][" not in row and not row.startswith(ours)] == []
    assert len(rows) > 8


def test_the_links_into_the_repository_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https)([^)#]+)", PAGE.read_text()):
        assert (PAGE.parent / target).resolve().is_relative_to(ROOT)
        assert (PAGE.parent / target).exists(), target


# --- The snippets ----------------------------------------------------------------------------------------------------


def test_wait_gives_a_song(run: Run, sim: RunningSimulator) -> None:
    url = run("wait")["audio_url"]
    assert sim.call("GET", url.removeprefix(sim.url)).content[:4] == b"RIFF"


def test_submit_sends_one_request_with_our_id_in_its_webhook(
    run: Run, sim: RunningSimulator, receiver: Receiver
) -> None:
    before = len(sim.requests())
    request_id = run("submit", HOOK=f"{receiver.url}/hooks", song_id="song-1")["request_id"]
    [ours] = [request for request in sim.requests() if request["request_id"] == request_id]
    assert ours["webhook_url"] == f"{receiver.url}/hooks/song-1"
    assert len(sim.requests()) == before + 1
    assert receiver.wait_for(1)[0].path == "/hooks/song-1"


def test_poll_waits_for_an_outcome_and_gives_up_in_time(run: Run, sim: RunningSimulator) -> None:
    names = run("poll", "submit", HOOK="http://127.0.0.1:9", song_id="x")
    status_url = names["answer"].json()["status_url"]
    assert names["outcome"](status_url).json()["seed"] == 7
    sim.set_mood(fail="content_policy_violation")
    failed = names["httpx"].post(f"{sim.url}/{names['ENDPOINT']}", headers=names["KEY"], json=names["SONG"]).json()
    assert names["outcome"](failed["status_url"]).status_code == 422
    with pytest.raises(TimeoutError):
        names["outcome"](status_url, seconds=0)


def test_a_webhook_is_verified_with_fals_keys_and_no_other(run: Run, sim: RunningSimulator, receiver: Receiver) -> None:
    names = run("keys", "verify", "submit", HOOK=receiver.url, song_id="x", USER_ID=sim.user_id)
    [came] = receiver.wait_for(1)
    headers = httpx.Headers(came.headers)
    now = int(headers["X-Fal-Webhook-Timestamp"])
    [key] = names["signing_keys"]()
    names["check"](key, headers, came.body, now)
    with pytest.raises(BadSignatureError):
        names["check"](key, headers, came.body + b" ", now)
    for late in (now + 301, now - 301):
        with pytest.raises(ValueError, match="stale"):
            names["check"](key, headers, came.body, late)
    names["USER_ID"] = "somebody-else"
    with pytest.raises(ValueError, match="another account"):
        names["check"](key, headers, came.body, now)


def test_a_repeated_delivery_is_work_once(run: Run) -> None:
    receive = run("verify", "receive")["receive"]
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE delivery (request_id TEXT, digest TEXT, PRIMARY KEY (request_id, digest))")
    assert [receive(db, "a", b"1"), receive(db, "a", b"1"), receive(db, "a", b"2")] == ["work", "seen before", "work"]
    db.close()


@pytest.mark.parametrize(
    ("mood", "verdict", "accepted"),
    [
        ({}, "accepted", 1),
        ({"answer_status": 429}, "resend", 0),
        ({"answer_status": 503, "nginx": True, "with_request_id": False}, "resend", 0),
        ({"answer_status": 503, "accept_anyway": True}, "look", 1),
        ({"answer_status": 502, "accept_anyway": True}, "look", 1),
        ({"answer_status": 422}, "refused", 0),
        ({"answer_status": 403}, "refused", 0),
        ({"answer_status": 410}, "refused", 0),
        ({"drop": "after"}, "look", 1),
    ],
)
def test_nothing_is_sent_again_that_fal_may_have(
    run: Run, sim: RunningSimulator, mood: dict[str, Any], verdict: str, accepted: int
) -> None:
    names = run("verdict", "send")
    before = len(sim.requests())
    if mood:
        sim.set_mood(**mood)
    assert names["send"](names["SONG"]) == verdict
    assert len(sim.requests()) == before + accepted


def test_a_refused_connection_may_be_tried_again(run: Run) -> None:
    names = run("verdict", "send")
    names["QUEUE"] = "http://127.0.0.1:9"
    assert names["send"]({}) == "resend"


def test_pauses_grow_vary_and_obey_fal(run: Run) -> None:
    pause = run("pause")["pause_seconds"]
    assert pause(1, {"Retry-After": "7"}) == 7
    assert pause(1, {"Retry-After": "999999"}) == 900
    drawn = [pause(attempt, {}) for attempt in range(12)]
    assert all(0 <= seconds <= min(60, 4 * 2**attempt) for attempt, seconds in enumerate(drawn))
    assert len(set(drawn)) == 12


def test_a_digest_is_of_what_is_asked_and_not_of_its_order(run: Run) -> None:
    digest = run("verify", "digest")["digest"]
    assert digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1})
    assert len({digest("a", {"x": 1}), digest("b", {"x": 1}), digest("a", {"x": 2})}) == 3


def test_ready_means_active_and_at_the_known_price(run: Run, sim: RunningSimulator) -> None:
    is_ready = run("ready")["is_ready"]
    assert is_ready(0.075)
    assert not is_ready(0.08)


def test_bounded_makes_all_of_them_and_never_more_than_two_at_once(run: Run, sim: RunningSimulator) -> None:
    before = len(sim.requests())
    results = run("bounded", songs=[{"tags": ["pop"], "lyrics_prompt": "la", "seed": seed} for seed in (1, 2, 3)])
    assert [result["seed"] for result in results["results"]] == [1, 2, 3]
    wait_until(lambda: len(sim.requests()) == before + 3)
    assert "max_workers=2" in SNIPPETS["bounded"]


def test_save_takes_a_file_and_no_more_than_it_may(run: Run, tmp_path: Path) -> None:
    names = run("wait", "save")
    path = tmp_path / "song.wav"
    names["save"](names["audio_url"], path)
    assert path.read_bytes()[:4] == b"RIFF"
    with pytest.raises(ValueError, match="larger"):
        names["save"](names["audio_url"], path, limit_bytes=1000)
