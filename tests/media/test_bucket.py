"""A bucket shows whole files or none, gives any part of them, and hands out links that people can use."""

import io
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from studio.media import bucket_client, bucket_sink
from studio.media.bucket import BucketStorage
from studio.media.bucket_client import bucket_faults, client_config
from studio.media.errors import (
    HouseFault,
    StorageArchived,
    StorageBusy,
    StorageFailed,
    StorageRefused,
    StorageUnreachable,
)
from studio.media.multipart import PART_BYTES as REAL_PART_BYTES
from studio.media.storage import Listed
from tests.media.s3_server import KEY_ID, SECRET, Proxy, S3Server, new_bucket, objects_in, unfinished_in

PART_BYTES = 100_000
SMALL = b"a preview" * 100
LARGE = bytes(range(256)) * (2 * PART_BYTES // 256 + 200)
NAME = "Nachtmusik für Ada__0a1b2c3d__42.wav"


@pytest.fixture(autouse=True)
def short_pauses_and_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_client, "FIRST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(bucket_sink, "PART_BYTES", PART_BYTES)


def put(storage: BucketStorage, key: str, content: bytes, **options: Any) -> None:
    with storage.sink(key, **options) as sink:
        for start in range(0, len(content), 65_536):
            sink.write(content[start : start + 65_536])
        sink.commit()


def read(storage: BucketStorage, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(storage.open_range(key, start, end))


# --- Writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", SMALL, LARGE[:PART_BYTES], LARGE[: 2 * PART_BYTES], LARGE], ids=len)
def test_what_is_committed_can_be_read_to_the_byte(bucket: BucketStorage, content: bytes) -> None:
    put(bucket, "masters/1.wav", content, content_type="audio/wav")
    assert read(bucket, "masters/1.wav") == content
    assert objects_in(bucket) == {"masters/1.wav"}
    assert unfinished_in(bucket) == []
    kept = bucket.client.head_object(Bucket=bucket.bucket_name, Key="masters/1.wav")
    assert kept["ContentType"] == "audio/wav"


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=len)
def test_nothing_shows_before_the_commit(bucket: BucketStorage, content: bytes) -> None:
    with bucket.sink("masters/1.wav") as sink:
        sink.write(content)
        sink.seal()
        assert objects_in(bucket) == set()
        sink.commit()
        assert objects_in(bucket) == {"masters/1.wav"}


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=len)
@pytest.mark.parametrize("sealed", [False, True])
def test_leaving_without_a_commit_leaves_nothing(bucket: BucketStorage, content: bytes, sealed: bool) -> None:
    put(bucket, "masters/1.wav", b"the former")
    with bucket.sink("masters/1.wav") as sink:
        sink.write(content)
        if sealed:
            sink.seal()
    assert read(bucket, "masters/1.wav") == b"the former"
    assert unfinished_in(bucket) == []


def test_a_sink_takes_whatever_is_bytes_and_counts_it(bucket: BucketStorage) -> None:
    with bucket.sink("masters/1.wav") as sink:
        assert sink.write(b"abc") == 3
        sink.write(bytearray(b"def"))
        sink.write(memoryview(b"ghi"))
        assert sink.bytes_written == 9
        sink.commit()
    assert read(bucket, "masters/1.wav") == b"abcdefghi"


def test_what_a_killed_process_left_of_a_file_goes_with_the_next_commit_of_it(bucket: BucketStorage) -> None:
    for key in ("masters/1.wav", "incoming/masters/1.wav/0011", "masters/1.wav2", "masters/2.wav"):
        bucket.client.create_multipart_upload(Bucket=bucket.bucket_name, Key=key)
    bucket.client.put_object(Bucket=bucket.bucket_name, Key="incoming/masters/1.wav/2233", Body=b"x")
    put(bucket, "masters/1.wav", LARGE)
    assert sorted(unfinished_in(bucket)) == ["masters/1.wav2", "masters/2.wav"]
    assert objects_in(bucket) == {"masters/1.wav"}


def test_leftovers_that_cannot_be_cleared_do_no_harm(bucket: BucketStorage, proxy: Proxy) -> None:
    proxy.trouble("ListUploads", "denied", times=99)
    put(bucket, "masters/1.wav", LARGE)
    assert read(bucket, "masters/1.wav") == LARGE


def test_a_server_that_does_not_list_uploads_is_cleaned_as_far_as_it_goes(bucket: BucketStorage, proxy: Proxy) -> None:
    proxy.trouble("ListUploads", "not offered", times=99)
    put(bucket, "masters/1.wav", LARGE)
    bucket.client.put_object(Bucket=bucket.bucket_name, Key="incoming/masters/2.m4a/00", Body=b"x")
    proxy.seen.clear()
    assert bucket.clean_stale_parts(-60) == 1
    assert objects_in(bucket) == {"masters/1.wav"}
    assert proxy.count("ListUploads") == 4


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=len)
def test_everything_is_written_encrypted_where_that_is_wished(
    s3_server: S3Server, encryption: str, content: bytes
) -> None:
    storage = new_bucket(s3_server.url, encryption=encryption, kms_key_id="its-key" if encryption == "aws:kms" else "")
    put(storage, "masters/1.wav", content, reread=False)
    with storage.sink("masters/2.m4a", reread=True) as sink:
        sink.write(content)
        sink.read_back().close()
        sink.commit()
    for key in ("masters/1.wav", "masters/2.m4a"):
        kept = storage.client.head_object(Bucket=storage.bucket_name, Key=key)
        assert kept["ServerSideEncryption"] == encryption
        assert kept.get("SSEKMSKeyId", "").endswith("its-key" if encryption == "aws:kms" else "")


# --- Reading again before it shows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=len)
def test_a_file_can_be_read_again_anywhere_before_it_shows(bucket: BucketStorage, content: bytes) -> None:
    with bucket.sink("masters/1.m4a", content_type="audio/mp4", reread=True) as sink:
        sink.write(content)
        with sink.read_back() as file:
            assert file.seek(-10, io.SEEK_END) == len(content) - 10
            assert file.read(100) == content[-10:]
            file.seek(100)
            assert file.read(50) == content[100:150]
            file.seek(-50, io.SEEK_CUR)
            assert file.read() == content[100:]
        assert "masters/1.m4a" not in objects_in(bucket)
        sink.commit()
        sink.abort()
    assert objects_in(bucket) == {"masters/1.m4a"}
    assert read(bucket, "masters/1.m4a") == content
    assert bucket.client.head_object(Bucket=bucket.bucket_name, Key="masters/1.m4a")["ContentType"] == "audio/mp4"


@pytest.mark.parametrize("is_read", [False, True])
def test_a_file_that_was_read_again_and_given_up_leaves_nothing(bucket: BucketStorage, is_read: bool) -> None:
    with bucket.sink("masters/1.m4a", reread=True) as sink:
        sink.write(LARGE)
        if is_read:
            sink.read_back().close()
    assert objects_in(bucket) == set()
    assert unfinished_in(bucket) == []


def test_reading_again_is_done_in_few_requests(bucket: BucketStorage, proxy: Proxy) -> None:
    with bucket.sink("masters/1.m4a", reread=True) as sink:
        sink.write(LARGE)
        with sink.read_back() as file:
            while file.read(10_000):
                pass
    assert proxy.count("Get") == 1


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_a_range_is_half_open_and_ends_with_the_file(bucket: BucketStorage) -> None:
    put(bucket, "masters/1.wav", bytes(range(100)))
    assert read(bucket, "masters/1.wav", 10, 20) == bytes(range(10, 20))
    assert read(bucket, "masters/1.wav", 90, 1000) == bytes(range(90, 100))
    assert read(bucket, "masters/1.wav", 500) == b""


def test_a_part_costs_no_more_than_its_bytes(bucket: BucketStorage, proxy: Proxy) -> None:
    put(bucket, "masters/1.wav", LARGE)
    proxy.seen.clear()
    assert read(bucket, "masters/1.wav", 5000, 6000) == LARGE[5000:6000]
    assert proxy.seen == [("Head", "masters/1.wav"), ("Get", "masters/1.wav")]


def test_what_is_not_there_is_not_found(bucket: BucketStorage) -> None:
    for ask in (bucket.open_file, bucket.facts, bucket.open_range):
        with pytest.raises(FileNotFoundError):
            ask("masters/none.wav")


def test_a_file_that_was_replaced_while_it_is_read_is_never_mixed(bucket: BucketStorage) -> None:
    put(bucket, "masters/1.wav", b"the former")
    stored = bucket.open_file("masters/1.wav")
    put(bucket, "masters/1.wav", b"the latter")
    with pytest.raises(HouseFault):
        stored.slice(0, 5)


def test_a_slice_that_is_closed_early_gives_nothing_more(bucket: BucketStorage) -> None:
    put(bucket, "masters/1.wav", LARGE)
    part = bucket.open_range("masters/1.wav")
    assert next(part)
    part.close()
    assert list(part) == []


def test_facts_tell_size_class_and_restore(bucket: BucketStorage) -> None:
    put(bucket, "masters/1.wav", SMALL)
    facts = bucket.facts("masters/1.wav")
    assert (facts.size_bytes, facts.storage_class, facts.restore) == (len(SMALL), "STANDARD", None)
    assert facts.etag == bucket.open_file("masters/1.wav").etag
    bucket.client.put_object(Bucket=bucket.bucket_name, Key="masters/2.wav", Body=b"x", StorageClass="GLACIER")
    assert bucket.facts("masters/2.wav").storage_class == "GLACIER"
    with pytest.raises(StorageArchived):
        read(bucket, "masters/2.wav")
    restoring = {"Days": 1, "GlacierJobParameters": {"Tier": "Standard"}}
    bucket.client.restore_object(Bucket=bucket.bucket_name, Key="masters/2.wav", RestoreRequest=restoring)  # type: ignore[arg-type]
    assert "ongoing-request" in str(bucket.facts("masters/2.wav").restore)


def test_a_listing_comes_in_pages_and_tells_classes(bucket: BucketStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        put(bucket, f"peaks/{number}.256.dat", b"x" * number)
    bucket.client.put_object(Bucket=bucket.bucket_name, Key="masters/1.wav", Body=b"x", StorageClass="GLACIER")
    asked = bucket_client.call

    def two_at_a_time(client: Any, operation: str, **parameters: Any) -> Any:
        return asked(client, operation, **({"MaxKeys": 2} | parameters))

    monkeypatch.setattr(bucket_client, "call", two_at_a_time)
    found = list(bucket.listed("peaks/"))
    assert [(one.key, one.size_bytes) for one in found] == [(f"peaks/{n}.256.dat", n) for n in range(5)]
    assert all(one.modified_at > datetime.now(UTC) - timedelta(minutes=5) for one in found)
    [cold] = bucket.listed("masters/")
    assert cold == Listed("masters/1.wav", 1, cold.modified_at, "GLACIER")


def test_deleting_is_harmless_where_there_is_nothing(bucket: BucketStorage) -> None:
    put(bucket, "peaks/1.256.dat", b"x")
    bucket.delete("peaks/1.256.dat", "peaks/none.dat")
    bucket.delete()
    assert objects_in(bucket) == set()


def test_the_cleaner_takes_what_is_old_and_ours(bucket: BucketStorage) -> None:
    for key in ("masters/1.wav", "incoming/masters/1.m4a/00", "somebody/elses.bin"):
        bucket.client.create_multipart_upload(Bucket=bucket.bucket_name, Key=key)
    for key in ("incoming/masters/2.m4a/00", "masters/2.wav"):
        bucket.client.put_object(Bucket=bucket.bucket_name, Key=key, Body=b"x")
    # The server says of every upload that it began years ago, but of objects the truth.
    assert bucket.clean_stale_parts() == 2
    assert unfinished_in(bucket) == ["somebody/elses.bin"]
    assert objects_in(bucket) == {"incoming/masters/2.m4a/00", "masters/2.wav"}
    assert bucket.clean_stale_parts(-60) == 1
    assert objects_in(bucket) == {"masters/2.wav"}


def test_the_cleaner_leaves_what_may_still_be_written(bucket: BucketStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.client.create_multipart_upload(Bucket=bucket.bucket_name, Key="masters/1.wav")
    young = [("masters/1.wav", "its-id", datetime.now(UTC) - timedelta(minutes=30))]
    monkeypatch.setattr(bucket, "_unfinished", lambda folder: young if folder == "masters/" else [])
    assert bucket.clean_stale_parts() == 0
    assert unfinished_in(bucket) == ["masters/1.wav"]


# --- Links -----------------------------------------------------------------------------------------------------------


def link_to(bucket: BucketStorage, **options: Any) -> str:
    return bucket.download_url("masters/1.wav", name=NAME, content_type="audio/wav", **options)


def test_a_link_gives_the_file_under_its_name_and_any_part_of_it(bucket: BucketStorage) -> None:
    put(bucket, "masters/1.wav", SMALL)
    answer = httpx.get(link_to(bucket), headers={"Range": "bytes=2-9"}, trust_env=False)
    assert (answer.status_code, answer.content) == (206, SMALL[2:10])
    assert answer.headers["Content-Type"] == "audio/wav"
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment; ")
    assert "filename*=UTF-8''Nachtmusik%20f%C3%BCr" in disposition
    inline = httpx.get(link_to(bucket, as_attachment=False), trust_env=False)
    assert inline.headers["Content-Disposition"].startswith("inline")


def test_a_link_for_a_head_is_signed_as_one(bucket: BucketStorage) -> None:
    put(bucket, "masters/1.wav", SMALL)
    assert httpx.head(link_to(bucket, method="HEAD"), trust_env=False).headers["Content-Length"] == str(len(SMALL))
    assert link_to(bucket, method="HEAD") != link_to(bucket)


def test_a_link_lives_as_long_as_is_said_and_names_no_secret(bucket: BucketStorage) -> None:
    query = parse_qs(urlsplit(link_to(bucket, seconds=77)).query)
    assert query["X-Amz-Expires"] == ["77"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert SECRET not in link_to(bucket)
    assert parse_qs(urlsplit(bucket.fetch_url("masters/1.wav", 60)).query)["X-Amz-Expires"] == ["60"]


def test_links_lead_to_where_browsers_reach_the_bucket(proxy: Proxy, s3_server: S3Server) -> None:
    storage = new_bucket(proxy.url, public_endpoint_url=s3_server.url)
    put(storage, "masters/1.wav", SMALL)
    assert proxy.count("Put") == 1
    for link in (link_to(storage), storage.fetch_url("masters/1.wav")):
        assert link.startswith(f"{s3_server.url}/{storage.bucket_name}/masters/1.wav?")
        assert httpx.get(link, trust_env=False).content == SMALL


def test_making_a_link_asks_nobody(bucket: BucketStorage, proxy: Proxy) -> None:
    link_to(bucket)
    assert proxy.seen == []


# --- Faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["Create", "UploadPart", "Complete", "Put", "Head"])
@pytest.mark.parametrize("fault", ["busy", "answer lost", "refused"])
def test_what_passes_is_tried_again(bucket: BucketStorage, proxy: Proxy, operation: str, fault: Any) -> None:
    proxy.trouble(operation, fault, times=2)
    content = SMALL if operation == "Put" else LARGE
    put(bucket, "masters/1.wav", content)
    assert read(bucket, "masters/1.wav") == content
    assert objects_in(bucket) == {"masters/1.wav"}
    assert unfinished_in(bucket) == []


def test_an_error_under_the_guise_of_success_is_no_success(bucket: BucketStorage, proxy: Proxy) -> None:
    proxy.trouble("Complete", "error under 200", times=2)
    put(bucket, "masters/1.wav", LARGE)
    assert proxy.count("Complete") == 3
    assert read(bucket, "masters/1.wav") == LARGE


def test_an_error_under_the_guise_of_success_that_stays_ends_it(bucket: BucketStorage, proxy: Proxy) -> None:
    proxy.trouble("Complete", "error under 200", times=99)
    with pytest.raises(StorageFailed):
        put(bucket, "masters/1.wav", LARGE)
    assert objects_in(bucket) == set()
    assert unfinished_in(bucket) == []


def test_no_such_upload_after_a_lost_answer_means_that_it_is_done(bucket: BucketStorage, proxy: Proxy) -> None:
    proxy.trouble("Complete", "answer lost")
    proxy.trouble("Complete", "no such upload")
    put(bucket, "masters/1.wav", LARGE)
    assert proxy.count("Complete") == 2
    assert read(bucket, "masters/1.wav") == LARGE


def test_no_such_upload_for_another_reason_is_a_fault(bucket: BucketStorage, proxy: Proxy) -> None:
    proxy.trouble("Complete", "no such upload", times=99)
    with pytest.raises(StorageFailed, match="NoSuchUpload"):
        put(bucket, "masters/1.wav", LARGE)
    put(bucket, "masters/1.wav", b"the former")
    with pytest.raises(StorageFailed, match="NoSuchUpload"):
        put(bucket, "masters/1.wav", LARGE)
    assert read(bucket, "masters/1.wav") == b"the former"


@pytest.mark.parametrize("operation", ["Create", "UploadPart", "Complete", "Head"])
@pytest.mark.parametrize(
    ("fault", "error", "tries"),
    [
        ("busy", StorageBusy, bucket_client.TRIES),
        ("refused", StorageUnreachable, bucket_client.TRIES),
        ("expired", StorageRefused, 1),
        ("denied", StorageRefused, 1),
        ("skewed", StorageRefused, 1),
    ],
)
def test_what_does_not_pass_is_the_houses_fault_and_leaves_no_part(
    bucket: BucketStorage, proxy: Proxy, operation: str, fault: Any, error: type[HouseFault], tries: int
) -> None:
    proxy.trouble(operation, fault, times=99)
    if operation == "Head":
        # An answer to HEAD has no body that could tell which, and the library asks again in case it is the region.
        error = HouseFault
    with pytest.raises(error) as caught:
        put(bucket, "masters/1.wav", LARGE)
    assert caught.value.fault == "house"
    assert operation == "Head" or proxy.count(operation) == tries
    assert unfinished_in(bucket) == []


@pytest.mark.parametrize("spared", [0, 1])
def test_keys_that_expire_in_the_middle_end_it_at_once(bucket: BucketStorage, proxy: Proxy, spared: int) -> None:
    proxy.trouble("UploadPart", "expired", times=99, spared=spared)
    with pytest.raises(StorageRefused, match="ExpiredToken"):
        put(bucket, "masters/1.wav", LARGE)
    assert proxy.count("UploadPart") == spared + 1


@pytest.mark.parametrize("fault", ["trailer kept", "part lost"])
@pytest.mark.parametrize("operation", ["UploadPart", "Put"])
def test_a_server_that_keeps_other_bytes_than_were_sent_is_found_out(
    bucket: BucketStorage, proxy: Proxy, operation: str, fault: Any
) -> None:
    proxy.trouble(operation, fault, spared=2 if operation == "UploadPart" else 0)
    with pytest.raises(StorageFailed, match="bytes stored of"):
        put(bucket, "masters/1.wav", LARGE if operation == "UploadPart" else SMALL)
    assert objects_in(bucket) == set()


def test_the_bytes_of_a_file_are_stored_without_a_trailer(bucket: BucketStorage, s3_server: S3Server) -> None:
    put(bucket, "masters/1.wav", LARGE)
    direct = bucket.client.get_object(Bucket=bucket.bucket_name, Key="masters/1.wav")["Body"].read()
    assert direct[-64:] == LARGE[-64:]
    assert direct[:64] == LARGE[:64]


def test_giving_up_ends_a_part_that_is_under_way(
    bucket: BucketStorage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_sink, "PART_BYTES", REAL_PART_BYTES)
    proxy.bytes_per_second = 100_000
    proxy.trouble("UploadPart", "slow", times=99)
    began = datetime.now(UTC)
    with bucket.sink("masters/1.wav") as sink:
        sink.write(bytes(REAL_PART_BYTES + 1))
    assert datetime.now(UTC) - began < timedelta(seconds=15)
    assert unfinished_in(bucket) == []


@pytest.mark.parametrize("operation", ["Abort", "Delete"])
def test_what_cannot_be_cleared_away_hides_no_error(bucket: BucketStorage, proxy: Proxy, operation: str) -> None:
    proxy.trouble(operation, "denied", times=99)
    sink = bucket.sink("masters/1.m4a", reread=True)
    sink.write(LARGE)
    if operation == "Delete":
        sink.read_back().close()
    with pytest.raises(ZeroDivisionError), sink:
        raise ZeroDivisionError
    assert "masters/1.m4a" not in objects_in(bucket)


def test_reading_that_breaks_is_the_houses_fault(bucket: BucketStorage) -> None:
    class Breaks:
        def read(self, _: int) -> bytes:
            raise ConnectionResetError

        def close(self) -> None:
            self.closed = True

    from studio.media.bucket import BucketSlice  # noqa: PLC0415

    body = Breaks()
    with pytest.raises(StorageUnreachable):
        next(BucketSlice(body))
    assert body.closed


def test_nobody_at_the_address_is_out_of_reach(proxy: Proxy, bucket: BucketStorage) -> None:
    proxy.trouble("HeadBucket", "refused", times=99)
    with pytest.raises(StorageUnreachable):
        bucket.probe()
    proxy.troubles.clear()
    bucket.probe()
    bucket.bucket_name = "another-one"
    with pytest.raises(HouseFault, match="another-one"):
        bucket.probe()


def test_no_error_repeats_what_the_server_said_or_a_key(
    bucket: BucketStorage, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for fault in ("denied", "expired", "skewed", "busy"):
        proxy.troubles.clear()
        proxy.trouble("Create", cast("Any", fault), times=99)
        proxy.trouble("Abort", "denied", times=99)
        with pytest.raises(HouseFault) as caught:
            put(bucket, "masters/1.wav", LARGE)
        told = f"{caught.value} {caught.value.detail} {caught.getrepr(style='short', chain=True)}"
        assert SECRET not in told
        assert KEY_ID not in told
        assert caught.value.__cause__ is None
    assert not re.search(f"{SECRET}|{KEY_ID}|Signature", caplog.text)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (NoCredentialsError(), StorageRefused),
        (ClientError({"Error": {"Code": "InvalidObjectState"}}, "GetObject"), StorageArchived),
        (ClientError({"Error": {"Code": "NoSuchBucket"}}, "GetObject"), StorageFailed),
        (ClientError({}, "GetObject"), StorageFailed),
    ],
)
def test_each_of_their_errors_is_one_of_ours(error: Exception, fault: type[HouseFault]) -> None:
    with pytest.raises(fault), bucket_faults("get_object"):
        raise error


# --- The client ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint_url", "checksums", "style"),
    [
        (None, None, "auto"),
        ("https://s3.eu-central-1.amazonaws.com", None, "auto"),
        ("https://s3.cn-north-1.amazonaws.com.cn", None, "auto"),
        ("https://s3.example.com", "when_required", "path"),
        ("http://127.0.0.1:9000", "when_required", "path"),
        ("https://amazonaws.com.example.com", "when_required", "path"),
    ],
)
def test_checksums_are_sent_to_amazon_only(endpoint_url: str | None, checksums: str | None, style: str) -> None:
    config: Any = client_config(endpoint_url, "auto")
    assert config.request_checksum_calculation == checksums
    assert config.response_checksum_validation == checksums
    assert config.s3 == {"addressing_style": style}
    assert client_config(endpoint_url, "virtual").s3 == {"addressing_style": "virtual"}  # type: ignore[attr-defined]


def test_every_wait_for_the_bucket_has_an_end(bucket: BucketStorage) -> None:
    config: Any = bucket.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 20)
    assert config.retries["total_max_attempts"] == 1
