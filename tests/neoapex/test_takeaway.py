"""What people take along over HTTP: tagged files in any part, FLAC, ZIP, clips, and masters hot or cold."""

import io
import json
import wave
import zipfile
from datetime import timedelta
from email.message import Message
from hashlib import sha256
from typing import Any

import httpx
import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from neoapex import bridge
from simulator import encoding
from studio import recipes, takeaway
from studio.media.errors import StorageUnreachable
from studio.media.storage import default_storage
from studio.models import Track, User
from tests import factories
from tests.glacier import BUCKET, GlacierBucket, bucket, refusal, s3_url
from tests.media import waves
from tests.media.kept import decoded, told_by
from tests.neoapex.shapes import assert_structured

__all__ = ["bucket", "s3_url"]

SONG = (waves.tone(8.0) // 2 + np.random.default_rng(5).integers(-999, 999, (8 * 44_100, 2))).astype(np.int16)
MP3 = encoding.encode(SONG, "mp3")


def put(key: str, body: bytes) -> None:
    with default_storage().sink(key) as sink:
        sink.write(body)
        sink.commit()


def kept(person: User, kind: str = "wav", body: bytes | None = None, **fields: Any) -> Track:
    """A READY track with its files."""
    body = encoding.encode(SONG, kind) if body is None else body
    track = factories.make_song(person=person, songs=1).tracks.get()
    found = {
        "master_format": kind,
        "master_key": f"masters/{track.pk}.{kind}",
        "master_bytes": len(body),
        "master_sha256": sha256(body).hexdigest(),
        "duration_ms": 8_000,
    }
    Track.objects.filter(pk=track.pk).update(**found | fields)
    track.refresh_from_db()
    put(track.master_key, body)
    put(track.preview_key, MP3)
    return track


@pytest.fixture
def track(ada: User) -> Track:
    return kept(ada)


def get(client: Client, path: str, **headers: str) -> Any:
    answer: Any = client.get(f"/api/tracks/{path}", headers=headers)
    answer.sent = b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)
    return answer


def stored(track: Track) -> bytes:
    return b"".join(default_storage().open_range(track.master_key))


# --- One track -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_the_master_s_own_format_comes_with_its_recipe_inside(program: Client, ada: User, kind: str) -> None:
    track = kept(ada, kind)
    answer = get(program, f"{track.pk}/download")
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(answer.sent))
    assert np.array_equal(decoded(answer.sent), decoded(stored(track)))
    assert sha256(stored(track)).hexdigest() == track.master_sha256
    if kind != "m4a":
        told = told_by(answer.sent)
        assert told["TITLE"] == track.title
        assert recipes.ATTRIBUTION in told["COPYRIGHT"]
        assert recipes.canonical_inputs(track.generation) in (told["COMMENT"] if kind == "wav" else told["RECIPE"])
    name = Message()
    name["Content-Disposition"] = answer.headers["Content-Disposition"]
    assert str(name.get_filename()).endswith(f"__{track.pk.hex[:8]}__{track.generation.seed}.{kind}")


@pytest.mark.parametrize("asked", ["bytes=0-99", "bytes=40-60", "bytes=1000-70000", "bytes=-200", "bytes=1411000-"])
def test_any_part_of_a_tagged_file_is_a_part_of_the_whole(program: Client, track: Track, asked: str) -> None:
    whole = get(program, f"{track.pk}/download?format=wav")
    part = get(program, f"{track.pk}/download?format=wav", Range=asked, **{"If-Range": whole.headers["ETag"]})
    assert part.status_code == 206
    start, _, end = part.headers["Content-Range"].removeprefix("bytes ").partition("/")[0].partition("-")
    assert part.sent == whole.sent[int(start) : int(end) + 1]


def test_a_tagged_file_is_another_than_the_master_and_than_what_it_was_under_another_title(
    program: Client, track: Track
) -> None:
    master, tagged = (get(program, f"{track.pk}/{what}") for what in ("master", "download"))
    Track.objects.filter(pk=track.pk).update(title="Renamed")
    renamed = get(program, f"{track.pk}/download", Range="bytes=0-9", **{"If-Range": tagged.headers["ETag"]})
    assert len({master.headers["ETag"], tagged.headers["ETag"], renamed.headers["ETag"]}) == 3
    assert renamed.status_code == 200
    assert master.sent == stored(track)
    assert len(tagged.sent) > len(master.sent)


def test_flac_is_made_on_the_way_and_decodes_to_the_master_s_samples(program: Client, track: Track) -> None:
    answer = get(program, f"{track.pk}/download?format=flac")
    assert np.array_equal(decoded(answer.sent, "flac"), SONG)
    assert told_by(answer.sent)["TITLE"] == track.title
    assert answer.headers["Content-Type"] == "audio/flac"
    assert answer.headers["Accept-Ranges"] == "none"
    assert "Content-Length" not in answer.headers


def test_a_head_makes_no_flac(program: Client, track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.media.flac._encoder", lambda _: pytest.fail("it was encoded"))
    answer = program.head(f"/api/tracks/{track.pk}/download?format=flac")
    assert answer.status_code == 200
    assert answer.headers["Accept-Ranges"] == "none"


def test_the_mp3_is_the_preview_with_credits(program: Client, track: Track) -> None:
    answer = get(program, f"{track.pk}/download?format=mp3")
    assert np.array_equal(decoded(answer.sent), decoded(MP3))
    assert told_by(answer.sent)["RECIPE"] == recipes.canonical_inputs(track.generation)


@pytest.mark.parametrize(("kind", "wanted"), [("mp3", "wav"), ("flac", "wav"), ("mp3", "flac"), ("wav", "ogg")])
def test_what_would_only_pretend_is_not_made(program: Client, ada: User, kind: str, wanted: str) -> None:
    track = kept(ada, kind)
    assert_structured(get(program, f"{track.pk}/download?format={wanted}"), 409, "no_such_format")
    assert_structured(get(program, f"{track.pk}/download?format=exe"), 422)


def test_a_wav_that_flac_can_t_hold_stays_a_wav(program: Client, ada: User) -> None:
    track = kept(ada, body=waves.packed(SONG[:9000], 32, floating=True).file)
    assert_structured(get(program, f"{track.pk}/download?format=flac"), 409, "no_such_format")
    assert get(program, f"{track.pk}/download").status_code == 200


def test_the_recipe_comes_as_a_file(program: Client, track: Track) -> None:
    answer = get(program, f"{track.pk}/recipe")
    assert json.loads(answer.sent)["recipe"]["seed"] == str(track.generation.seed)
    assert answer.headers["Content-Disposition"].endswith('.recipe.json"')


@pytest.mark.parametrize("what", ["download", "download?format=flac", "recipe", "clip", "master"])
def test_it_is_the_owner_s_alone(stranger: Client, ben: User, track: Track, token_client: Any, what: str) -> None:
    assert_structured(get(stranger, f"{track.pk}/{what}"), 401)
    assert_structured(get(token_client(ben), f"{track.pk}/{what}"), 404, "not_found")


@pytest.mark.parametrize("what", ["download", "download?format=flac", "download?format=mp3", "clip", "master"])
def test_what_is_gone_from_the_storage_is_said_to_be(program: Client, ada: User, what: str) -> None:
    track = factories.make_song(person=ada, songs=1).tracks.get()
    assert_structured(get(program, f"{track.pk}/{what}"), 404, "master_gone")


@pytest.mark.parametrize("what", ["master", "download", "download?format=flac", "clip"])
def test_a_storage_that_is_away_is_503_and_says_so(
    program: Client, track: Track, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> Any:
        raise StorageUnreachable("head_object: EndpointConnectionError")

    monkeypatch.setattr(default_storage(), "facts", away)
    answer = get(program, f"{track.pk}/{what}")
    assert_structured(answer, 503, "storage_unreachable")
    assert "EndpointConnectionError" not in answer.sent.decode()
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize("path", ["{}/download?format=flac", "zip?track={}", "{}/download"])
def test_what_is_made_on_the_way_keeps_no_thread_of_a_page(program: Client, track: Track, path: str) -> None:
    answer = program.get(f"/api/tracks/{path.format(track.pk)}")
    assert bridge._is_file(answer)
    answer.close()


# --- Trash -----------------------------------------------------------------------------------------------------------


def test_into_the_trash_and_back_over_http(program: Client, track: Track) -> None:
    answer = program.delete(f"/api/tracks/{track.pk}")
    assert (answer.status_code, answer.json()["trashed_at"] is not None) == (200, True)
    assert answer.json()["deletes_at"] > answer.json()["trashed_at"]
    for what in ("download", "clip", "master"):
        assert_structured(get(program, f"{track.pk}/{what}"), 409, "track_in_trash")
    assert get(program, f"{track.pk}/preview").status_code == 200
    back = program.post(f"/api/tracks/{track.pk}/restore-from-trash")
    assert (back.status_code, back.json()["trashed_at"]) == (200, None)
    assert get(program, f"{track.pk}/download").status_code == 200


def test_what_is_deleted_is_told_without_links(program: Client, track: Track) -> None:
    Track.objects.filter(pk=track.pk).update(trashed_at=timezone.now(), purged_at=timezone.now())
    found = program.get(f"/api/tracks/{track.pk}").json()
    assert (found["preview_url"], found["master"]) == (None, None)
    for what in ("download", "preview", "recipe"):
        assert_structured(get(program, f"{track.pk}/{what}"), 404, "track_deleted")
    assert_structured(program.delete(f"/api/tracks/{track.pk}"), 404, "track_deleted")
    assert_structured(program.post(f"/api/tracks/{track.pk}/restore-from-trash"), 404, "track_deleted")


# --- ZIP -------------------------------------------------------------------------------------------------------------


def zip_of(client: Client, *tracks: Track, formats: str = "") -> zipfile.ZipFile:
    asked = "&".join(f"track={track.pk}" for track in tracks)
    answer = get(client, f"zip?{asked}{formats}")
    assert answer.status_code == 200, answer.sent
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Accept-Ranges"] == "none"
    found = zipfile.ZipFile(io.BytesIO(answer.sent))
    assert found.testzip() is None
    return found


def test_a_zip_has_a_folder_for_each_with_master_mp3_and_recipe(program: Client, ada: User) -> None:
    first, second = kept(ada), kept(ada, "flac")
    found = zip_of(program, first, second)
    assert len(found.namelist()) == 8
    assert len({name.partition("/")[0] for name in found.namelist()}) == 2
    for track, kind in ((first, "wav"), (second, "flac")):
        [master] = [name for name in found.namelist() if track.pk.hex[:8] in name and name.endswith(kind)]
        assert np.array_equal(decoded(found.read(master)), decoded(stored(track)))
        recipe = json.loads(found.read(f"{master.partition('/')[0]}/recipe.json"))
        assert recipe["recipe"] == recipes.inputs(track.generation)
        lineage = json.loads(found.read(f"{master.partition('/')[0]}/lineage.json"))
        assert [made["id"] for made in lineage["tracks"]] == [str(track.pk)]


def test_the_same_track_twice_is_there_once(program: Client, track: Track) -> None:
    assert len(zip_of(program, track, track).namelist()) == 4


def test_a_zip_of_flac_only(program: Client, track: Track) -> None:
    found = zip_of(program, track, formats="&format=flac")
    [name] = [name for name in found.namelist() if name.endswith(".flac")]
    assert np.array_equal(decoded(found.read(name), "flac"), SONG)


def test_what_is_missing_is_named_in_a_text_instead_of_failing(program: Client, ada: User, track: Track) -> None:
    gone = factories.make_song(person=ada, songs=1).tracks.get()
    found = zip_of(program, track, gone)
    told = found.read(takeaway.COLD_LIST).decode()
    assert gone.pk.hex[:8] in told
    assert track.pk.hex[:8] not in told
    assert len(found.namelist()) == 7


def test_a_zip_with_somebody_else_s_track_is_none_at_all(program: Client, ben: User, track: Track) -> None:
    other = factories.make_song(person=ben, songs=1).tracks.get()
    answer = get(program, f"zip?track={track.pk}&track={other.pk}")
    assert_structured(answer, 404, "not_found")


def test_a_zip_of_nothing_or_of_too_much_is_refused(program: Client, track: Track) -> None:
    assert_structured(get(program, "zip"), 422)
    too_many = "&".join(f"track={track.pk}" for _ in range(takeaway.MAX_TRACKS + 1))
    assert_structured(get(program, f"zip?{too_many}"), 422)
    Track.objects.filter(pk=track.pk).update(trashed_at=timezone.now())
    assert_structured(get(program, f"zip?track={track.pk}"), 409, "track_not_ready")


def test_a_zip_is_made_while_it_is_read_and_no_file_with_it(
    program: Client, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = default_storage().open_file

    def noted(key: str) -> Any:
        opened.append(key)
        return real(key)

    monkeypatch.setattr(default_storage(), "open_file", noted)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *_, **__: pytest.fail("a file was made"))
    answer: Any = program.get(f"/api/tracks/zip?track={track.pk}&format=master")
    blocks = iter(answer.streaming_content)
    before = opened.count(track.master_key)
    for _ in blocks:
        if opened.count(track.master_key) > before:
            break
    else:
        pytest.fail("it had been read before")
    answer.close()


# --- Clips -----------------------------------------------------------------------------------------------------------


def test_a_clip_is_the_master_between_its_fades(program: Client, track: Track) -> None:
    answer = get(program, f"{track.pk}/clip?start=3&end=4&format=wav")
    assert (answer.headers["X-Clip-Start"], answer.headers["X-Clip-End"]) == ("1.0", "6.0")
    with wave.open(io.BytesIO(answer.sent)) as read:
        found = np.frombuffer(read.readframes(read.getnframes()), np.int16).reshape(-1, 2)
    assert np.array_equal(found[4000:-4000], SONG[44_100 : 6 * 44_100][4000:-4000])
    mp3 = get(program, f"{track.pk}/clip?start=3&end=4")
    assert mp3.headers["Content-Type"] == "audio/mpeg"
    assert len(mp3.sent) < 6 * 16_000


def test_the_louder_of_two_is_turned_down(program: Client, ada: User) -> None:
    loud, soft = kept(ada, loudness_lufs=-10.0), kept(ada, loudness_lufs=-16.0)

    def level(track: Track, other: Track) -> float:
        answer = get(program, f"{track.pk}/clip?start=3&end=4&format=wav&match={other.pk}")
        return float(np.sqrt(np.mean(decoded(answer.sent)[9000:-9000].astype(float) ** 2)))

    assert level(loud, soft) == pytest.approx(level(soft, loud) / 1.995, rel=0.01)


@pytest.mark.parametrize(
    "region",
    ["start=5&end=4", "start=4&end=4", "start=-1&end=2", "start=0&end=99", "start=nan&end=2", "start=1e99&end=2e99"],
)
def test_a_region_that_is_none_is_refused(program: Client, track: Track, region: str) -> None:
    assert_structured(get(program, f"{track.pk}/clip?{region}"), 422)


def test_a_clip_is_bounded(program: Client, ada: User) -> None:
    long = kept(ada, duration_ms=600_000)
    assert_structured(get(program, f"{long.pk}/clip?start=0&end=61"), 422, "invalid_region")


# --- In a bucket -----------------------------------------------------------------------------------------------------


@pytest.fixture
def cold(ada: User, bucket: GlacierBucket) -> Track:
    track = kept(ada)
    body = stored(track)
    bucket.client.put_object(Bucket=BUCKET, Key=track.master_key, Body=body, StorageClass="GLACIER")
    return track


def test_a_master_at_hand_is_fetched_from_the_bucket_under_its_name(
    program: Client, ada: User, bucket: GlacierBucket
) -> None:
    track = kept(ada, title="Ærø")
    answer = program.get(f"/api/tracks/{track.pk}/master")
    assert answer.status_code == 302
    fetched = httpx.get(answer.headers["Location"])
    assert fetched.content == stored(track)
    assert "filename*=UTF-8''%C3%86r%C3%B8__" in fetched.headers["Content-Disposition"]
    assert httpx.get(answer.headers["Location"], headers={"Range": "bytes=4-9"}).content == stored(track)[4:10]


def test_a_cold_master_is_202_and_asked_back_once(program: Client, cold: Track) -> None:
    looked = program.head(f"/api/tracks/{cold.pk}/master")
    assert (looked.status_code, GlacierBucket.asked) == (202, [])
    for _ in range(3):
        answer = get(program, f"{cold.pk}/master?tier=Bulk")
        assert answer.status_code == 202
        found = json.loads(answer.sent)
        assert found["storage"] == "RESTORING"
        assert found["ready_by"] > (timezone.now() + timedelta(hours=11)).isoformat()
        assert answer.headers["Cache-Control"] == "no-store"
    assert GlacierBucket.asked == [(cold.master_key, "Bulk", 7)]
    assert program.get(f"/api/tracks/{cold.pk}").json()["master"]["storage"] == "RESTORING"
    GlacierBucket.bring_back(cold.master_key)
    assert program.get(f"/api/tracks/{cold.pk}/master").status_code == 302
    assert_structured(get(program, f"{cold.pk}/master?tier=Warp"), 422)


def test_a_no_of_glacier_s_is_503_with_a_hint(program: Client, cold: Track) -> None:
    GlacierBucket.refusals.append(refusal("GlacierExpeditedRetrievalNotAvailable", 503))
    assert_structured(get(program, f"{cold.pk}/master?tier=Expedited"), 503, "no_restore")


def test_while_the_master_is_cold_the_mp3_is_there_and_nothing_else_is_asked_back(program: Client, cold: Track) -> None:
    for what in ("download", "download?format=flac", "clip"):
        assert_structured(get(program, f"{cold.pk}/{what}"), 409, "master_is_cold")
    assert np.array_equal(decoded(get(program, f"{cold.pk}/download?format=mp3").sent), decoded(MP3))
    for formats, files in (("", 4), ("&format=flac", 3)):
        found = zip_of(program, cold, formats=formats)
        assert cold.pk.hex[:8] in found.read(takeaway.COLD_LIST).decode()
        assert len(found.namelist()) == files
    assert GlacierBucket.asked == []


def test_files_are_tagged_cut_and_zipped_from_a_bucket_too(program: Client, ada: User, bucket: GlacierBucket) -> None:
    track = kept(ada)
    whole = get(program, f"{track.pk}/download")
    assert np.array_equal(decoded(whole.sent), SONG)
    part = get(program, f"{track.pk}/download", Range="bytes=100-200")
    assert part.sent == whole.sent[100:201]
    assert np.array_equal(decoded(get(program, f"{track.pk}/download?format=flac").sent, "flac"), SONG)
    assert get(program, f"{track.pk}/clip?start=3&end=4").status_code == 200
    assert len(zip_of(program, track).namelist()) == 4
