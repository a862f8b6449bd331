"""What must hold when everything has come to its end; each check answers what is wrong, by generation where it can."""

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final

import av
import httpx
import numpy as np

from tests.chaos.aftermath import FINAL, Aftermath, rows
from tests.journeys.stack import ROOT

# Generation id, or "" for what is about all; and what is wrong.
Problem = tuple[str, str]
Check = Callable[[Aftermath], Iterator[Problem]]


def everything_is_final(after: Aftermath) -> Iterator[Problem]:
    for generation_id, row in after.generations.items():
        if row["state"] not in FINAL:
            yield generation_id, f"is {row['state']}"


def everybody_was_answered(after: Aftermath) -> Iterator[Problem]:
    """One key, one generation; refused were only those without money."""
    for song in after.plan.songs:
        if song.key not in {*after.record.created, *after.record.refused}:
            yield "", f"{song.key} was never answered"
        ids = after.record.created.get(song.key, set())
        refused = after.record.refused.get(song.key)
        if len(ids) > 1:
            yield "", f"{song.key} became {len(ids)} generations"
        if refused and not (refused == "402 insufficient_budget" and after.plan.is_poor(song.person)):
            yield "", f"{song.key} was refused: {refused}"
    told = set().union(*after.record.created.values())
    if told != set(after.generations):
        yield "", f"{len(told)} generations were told of, and {len(after.generations)} are there"


def no_server_error_but_unavailable(after: Aftermath) -> Iterator[Problem]:
    for error in after.record.server_errors:
        if not error.startswith("503"):
            yield "", f"somebody was answered {error}"


def nothing_was_sent_twice(after: Aftermath) -> Iterator[Problem]:
    for generation_id, requests in after.requests.items():
        if len(requests) > 1:
            yield generation_id, f"fal has {len(requests)} requests of it"


def every_song_that_fal_billed_is_kept(after: Aftermath) -> Iterator[Problem]:
    """Whatever happened on the way: a good song that was billed is READY, unless nothing but the bill tells of it."""
    for generation_id, row in after.generations.items():
        song = after.song_of(generation_id)
        billed_failure = any("fail" in mood for mood in song.moods)
        if not after.billed_micros(generation_id) or billed_failure or after.is_lost_twice(generation_id):
            continue
        if song.spoiled and row["state"] == "FAILED" and row["reason_code"] == "unreadable_audio":
            continue
        if row["state"] != "READY":
            yield generation_id, f"was billed and is {row['state']}: {row['reason_code']}"


def nothing_is_ready_that_fal_did_not_make(after: Aftermath) -> Iterator[Problem]:
    for generation_id, row in after.generations.items():
        if row["state"] == "READY" and not after.billed_micros(generation_id):
            yield generation_id, "is READY, and fal billed nothing"


def every_track_is_whole(after: Aftermath) -> Iterator[Problem]:
    """The master is byte for byte what fal serves, decodes, and isn't silence; preview and peaks are there."""
    media = after.studio.home / "media"
    with httpx.Client(trust_env=False, timeout=60) as client:
        for generation_id, row in after.generations.items():
            if row["state"] != "READY":
                continue
            tracks = [track for track in after.tracks.get(generation_id, []) if track["state"] == "READY"]
            if len(tracks) != row["num_songs"]:
                yield generation_id, f"has {len(tracks)} of {row['num_songs']} tracks"
            for track in tracks:
                master = (media / track["master_key"]).read_bytes()
                if not after.song_of(generation_id).spoiled and master != client.get(track["source_url"]).content:
                    yield generation_id, "its master is not what fal serves"
                if not is_music(master) or not is_music((media / track["preview_key"]).read_bytes()):
                    yield generation_id, "its audio can't be heard"
                if not (media / track["peaks_key"]).stat().st_size:
                    yield generation_id, "its peaks are empty"


def is_music(audio: bytes) -> bool:
    try:
        with av.open(io.BytesIO(audio), "r") as container:
            frames = [frame.to_ndarray().astype(np.float64) for frame in container.decode(audio=0)]
    except av.error.FFmpegError:
        return False
    return any(np.abs(frame).max(initial=0.0) > 0 for frame in frames)


def no_file_is_nobodys(after: Aftermath) -> Iterator[Problem]:
    """No half of a file, no master without its row."""
    known = {track["master_key"] for tracks in after.tracks.values() for track in tracks}
    for path in (after.studio.home / "media" / "masters").iterdir():
        if f"masters/{path.name}" not in known and not path.name.endswith(".part"):
            yield "", f"{path.name} has no row"


def no_budget_is_overspent(after: Aftermath) -> Iterator[Problem]:
    for budget in rows(after.studio, "SELECT * FROM ledger_budget WHERE kind = 'PERSON'"):
        if budget["held_micros"] + budget["spent_micros"] > budget["granted_micros"]:
            yield "", f"a budget is overspent: {budget}"


def no_hold_is_open(after: Aftermath) -> Iterator[Problem]:
    if left := after.studio.open_holds():
        yield "", f"{left} holds are open"


def nobody_pays_for_what_is_not_there(after: Aftermath) -> Iterator[Problem]:
    for generation_id, row in after.generations.items():
        if row["state"] != "READY" and row["charged_micros"]:
            yield generation_id, f"is {row['state']} and was charged {row['charged_micros']}"


def each_song_costs_what_fal_billed(after: Aftermath) -> Iterator[Problem]:
    spent = {
        row["reference"].removeprefix("generation:"): int(row["micros"])
        for row in rows(after.studio, "SELECT reference, sum(spent_delta) AS micros FROM ledger_entry GROUP BY 1")
    }
    for generation_id in after.generations:
        ours, fals = spent.get(generation_id, 0), after.billed_micros(generation_id)
        if ours != fals and not after.is_lost_twice(generation_id):
            yield generation_id, f"cost {ours} here and {fals} at fal"


def the_books_are_clean(after: Aftermath) -> Iterator[Problem]:
    code, said = _manage(after, "audit_ledger")
    if code:
        yield "", said


def the_ledger_equals_the_bill(after: Aftermath) -> Iterator[Problem]:
    """To the micro, but for what was lost twice, which the comparison with the bill must find one by one."""
    code, said = _manage(after, "reconcile_fal")
    lost_twice = {
        request["request_id"]
        for generation_id in after.generations
        if after.is_lost_twice(generation_id)
        for request in after.requests.get(generation_id, [])
        if request["request_id"] in after.bill
    }
    unbooked = sum(after.bill[request_id] for request_id in lost_twice)
    ledger_micros, bill_micros = after.studio.ledger_total_micros(), sum(after.bill.values())
    if ledger_micros + unbooked != bill_micros:
        yield "", f"the ledger says {ledger_micros} and {unbooked} were lost twice; the bill says {bill_micros}\n{said}"
    if code != (1 if lost_twice else 0) or any(request_id not in said for request_id in lost_twice):
        yield "", f"the comparison ended with {code} for {len(lost_twice)} lost twice\n{said}"


def _manage(after: Aftermath, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=after.studio.environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr[-2000:]


CHECKS: Final[tuple[Check, ...]] = (
    everything_is_final,
    everybody_was_answered,
    no_server_error_but_unavailable,
    nothing_was_sent_twice,
    every_song_that_fal_billed_is_kept,
    nothing_is_ready_that_fal_did_not_make,
    every_track_is_whole,
    no_file_is_nobodys,
    no_budget_is_overspent,
    no_hold_is_open,
    nobody_pays_for_what_is_not_there,
    each_song_costs_what_fal_billed,
    the_books_are_clean,
    the_ledger_equals_the_bill,
)
