"""What the bucket does by itself: masters go cold, unfinished uploads end. The rules of others are left alone."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError
from django.conf import settings

from studio.media.bucket import BucketStorage
from studio.media.bucket_client import bucket_faults, code_of
from studio.media.bucket_sink import INCOMING
from studio.media.storage import FOLDERS, MediaStorage

OURS: Final = "neoapex-"
UNFINISHED_DAYS: Final = 1
# What a killed worker left there. A track that is fetched once more begins a file of its own.
INCOMING_DAYS: Final = 3
MASTERS: Final = FOLDERS[0]

# Amazon's word for it, and the bare status by which Garage says the same; elder ones answer with nothing at all.
NO_RULES: Final = frozenset({"NoSuchLifecycleConfiguration", "404"})

Rule = Mapping[str, Any]


def wanted() -> list[Rule]:
    """Previews and peaks have no rule: they stay where they can be heard and seen at once."""
    to_glacier = {
        "ID": f"{OURS}masters-to-glacier",
        "Filter": {"Prefix": MASTERS},
        "Status": "Enabled",
        "Transitions": [{"Days": settings.NEOAPEX_ARCHIVE_AFTER_DAYS, "StorageClass": "GLACIER"}],
    }
    end_unfinished = {
        "ID": f"{OURS}end-unfinished-uploads",
        "Filter": {"Prefix": ""},
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
    }
    forget_incoming = {
        "ID": f"{OURS}forget-incoming",
        "Filter": {"Prefix": INCOMING},
        "Status": "Enabled",
        "Expiration": {"Days": INCOMING_DAYS},
    }
    tidying: list[Rule] = [end_unfinished, forget_incoming]
    return tidying if settings.NEOAPEX_ARCHIVE_AFTER_DAYS is None else [to_glacier, *tidying]


def merged(present: Sequence[Rule]) -> list[Rule]:
    """The rules of others as they are and where they are, ours as wanted behind them."""
    return [rule for rule in present if not _is_ours(rule)] + wanted()


def is_applied(present: Sequence[Rule]) -> bool:
    return _by_id([rule for rule in present if _is_ours(rule)]) == _by_id(wanted())


def difference(present: Sequence[Rule]) -> str:
    """A unified diff of the whole configuration; empty where nothing is to be done."""
    if is_applied(present):
        return ""
    before, after = ([*_lines(rules)] for rules in (present, merged(present)))
    return "\n".join(difflib.unified_diff(before, after, "in the bucket", "to be", lineterm="", n=2))


def warnings(present: Sequence[Rule]) -> list[str]:
    """Rules of others that would take away what the studio needs at hand. An admin decides about those."""
    return [
        f"The rule {rule.get('ID') or '(without a name)'} is not the studio's and "
        f"{'deletes' if 'Expiration' in rule else 'moves'} what lies under {folder}."
        for rule in present
        for folder in FOLDERS
        if _is_active_for(rule, folder) and not _is_ours(rule)
    ]


def _is_active_for(rule: Rule, folder: str) -> bool:
    acts = "Expiration" in rule or ("Transitions" in rule and folder != MASTERS)
    tells = rule.get("Filter") or rule
    prefix = str(tells.get("Prefix") or (tells.get("And") or {}).get("Prefix") or "")
    # One that looks at tags or sizes, too, is not about all of them; still it may be about some.
    return rule.get("Status") == "Enabled" and acts and (folder.startswith(prefix) or prefix.startswith(folder))


def _is_ours(rule: Rule) -> bool:
    return str(rule.get("ID", "")).startswith(OURS)


def _by_id(rules: Sequence[Rule]) -> dict[str, Rule]:
    # Servers tell an empty prefix in several ways, and repeat it outside of the filter.
    return {rule["ID"]: {**rule, "Filter": {"Prefix": _prefix(rule)}, "Prefix": None} for rule in rules}


def _prefix(rule: Rule) -> str:
    return str((rule.get("Filter") or {}).get("Prefix") or rule.get("Prefix") or "")


def _lines(rules: Sequence[Rule]) -> list[str]:
    return [line for rule in rules for line in json.dumps(rule, indent=2, sort_keys=True, default=str).splitlines()]


# --- The bucket ------------------------------------------------------------------------------------------------------


def bucket_of(storage: MediaStorage) -> BucketStorage | None:
    """None where the files lie in a folder, which has no rules of its own."""
    return storage if isinstance(storage, BucketStorage) else None


def read(bucket: BucketStorage) -> dict[str, Any]:
    """The bucket's configuration: its rules, and what else it says about them."""
    with bucket_faults("read lifecycle"):
        try:
            found = bucket.client.get_bucket_lifecycle_configuration(Bucket=bucket.bucket_name)
        except ClientError as error:
            if code_of(error) not in NO_RULES:
                raise
            return {"Rules": []}
    return {"Rules": [], **{name: value for name, value in found.items() if name != "ResponseMetadata"}}


def apply(bucket: BucketStorage, present: Mapping[str, Any]) -> None:
    """S3 takes a configuration only whole, so the rules of others are sent back word for word."""
    more = {name: value for name, value in present.items() if name == "TransitionDefaultMinimumObjectSize"}
    rules: Any = {"Rules": merged(present["Rules"])}
    with bucket_faults("write lifecycle"):
        bucket.client.put_bucket_lifecycle_configuration(
            Bucket=bucket.bucket_name, LifecycleConfiguration=rules, **more
        )
