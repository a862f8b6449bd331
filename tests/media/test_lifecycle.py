"""The studio's rules on the bucket: put once, shown before, and never at the cost of anybody else's."""

import io
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from studio.media import lifecycle
from studio.media.bucket import BucketStorage
from tests.fal.server import FalServer
from tests.glacier import BUCKET, GlacierBucket, bucket, s3_url

__all__ = ["bucket", "s3_url"]

THEIRS: list[dict[str, Any]] = [
    {
        "ID": "logs-go",
        "Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "kind", "Value": "access"}]}},
        "Status": "Enabled",
        "Expiration": {"Days": 14},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3},
    },
    {
        "ID": "old-style",
        "Filter": {"Prefix": "exports/"},
        "Status": "Disabled",
        "Transitions": [{"Days": 90, "StorageClass": "STANDARD_IA"}],
    },
]


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("apply_lifecycle", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def rules_of(bucket: GlacierBucket) -> dict[str, Any]:
    return {rule["ID"]: rule for rule in lifecycle.read(bucket)["Rules"]}


def put_rules(bucket: GlacierBucket, rules: list[dict[str, Any]]) -> None:
    bucket.client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})


def test_masters_go_cold_after_thirty_days_and_uploads_end_after_one(bucket: GlacierBucket) -> None:
    out, err = run()
    rules = rules_of(bucket)
    masters = rules["neoapex-masters-to-glacier"]
    assert masters["Filter"]["Prefix"] == "masters/"
    assert masters["Transitions"] == [{"Days": 30, "StorageClass": "GLACIER"}]
    assert rules["neoapex-end-unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert rules["neoapex-forget-incoming"]["Filter"] == {"Prefix": "incoming/"}
    assert rules["neoapex-forget-incoming"]["Expiration"] == {"Days": 3}
    assert len(rules) == 3
    assert '+  "ID": "neoapex-masters-to-glacier"' in out
    assert err == ""


def test_the_second_time_there_is_nothing_to_do(bucket: GlacierBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setattr(lifecycle, "apply", lambda *_: pytest.fail("it was put again"))
    assert run()[0] == f"{BUCKET} has the rules already.\n"


def test_a_dry_run_shows_all_and_changes_nothing(bucket: GlacierBucket) -> None:
    put_rules(bucket, THEIRS)
    before = lifecycle.read(bucket)
    out, _ = run("--dry-run")
    assert lifecycle.read(bucket) == before
    assert "Nothing was changed." in out
    assert all(line.startswith(("+", " ", "@", "---")) for line in out.splitlines()[:-1])


def test_rules_of_others_stay_word_for_word(bucket: GlacierBucket) -> None:
    put_rules(bucket, THEIRS)
    before = rules_of(bucket)
    run()
    after = rules_of(bucket)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 3


def test_a_rule_of_ours_that_has_changed_is_put_right_and_the_change_is_shown(
    bucket: GlacierBucket, settings: Settings
) -> None:
    put_rules(bucket, THEIRS)
    run()
    settings.NEOAPEX_ARCHIVE_AFTER_DAYS = 60
    out, _ = run()
    assert "30" in "".join(line for line in out.splitlines() if line.startswith("-"))
    assert "60" in "".join(line for line in out.splitlines() if line.startswith("+"))
    assert rules_of(bucket)["neoapex-masters-to-glacier"]["Transitions"][0]["Days"] == 60
    assert len(rules_of(bucket)) == 5


@pytest.mark.parametrize(
    ("rule", "warned"),
    [
        ({"Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}, 3),
        ({"Filter": {"Prefix": "previews/"}, "Transitions": [{"Days": 9, "StorageClass": "GLACIER"}]}, 1),
        ({"Filter": {"Prefix": "masters/"}, "Transitions": [{"Days": 9, "StorageClass": "STANDARD_IA"}]}, 0),
        ({"Filter": {"Prefix": "masters/2024"}, "Expiration": {"Days": 9}}, 1),
        ({"Filter": {"And": {"Prefix": "pea", "ObjectSizeGreaterThan": 5}}, "Expiration": {"Days": 9}}, 1),
        ({"Prefix": "logs/", "Expiration": {"Days": 9}}, 0),
        ({"Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}, 0),
        ({"Filter": {"Prefix": ""}, "Expiration": {"Days": 9}, "Status": "Disabled"}, 0),
    ],
)
def test_a_rule_that_would_take_songs_away_is_named(rule: dict[str, Any], warned: int) -> None:
    found = lifecycle.warnings([{"ID": "theirs", "Status": "Enabled"} | rule])
    assert len(found) == warned
    assert all("theirs" in warning for warning in found)


def test_without_a_bucket_there_is_nothing_to_do() -> None:
    assert "nothing to do" in run()[0]


def test_a_bucket_that_is_not_there_is_named(bucket: GlacierBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "bucket_name", "nowhere")
    from django.core.management.base import CommandError  # noqa: PLC0415

    with pytest.raises(CommandError, match="nowhere"):
        run()


def test_a_server_without_cold_storage_is_only_told_to_tidy_up(bucket: GlacierBucket, settings: Settings) -> None:
    run()
    settings.NEOAPEX_ARCHIVE_AFTER_DAYS = None
    assert "masters-to-glacier" in run()[0]
    assert rules_of(bucket).keys() == {"neoapex-end-unfinished-uploads", "neoapex-forget-incoming"}
    assert "has the rules already" in run()[0]


@pytest.mark.parametrize("status", [204, 404])
def test_a_server_that_says_with_an_empty_answer_that_there_are_no_rules_is_understood(status: int) -> None:
    server = FalServer()
    server.answers(status, b"")
    server.start()
    keys = {"access_key": "test", "secret_key": "test"}
    assert lifecycle.read(BucketStorage(bucket_name="songs", endpoint_url=server.url, **keys)) == {"Rules": []}
    server.stop()
