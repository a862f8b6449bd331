"""Whether songs can be kept: the bucket and its rules."""

import secrets
from collections.abc import Sequence

from django.conf import settings

from neoapex.doctor.asking import NoAnswer, ask
from neoapex.doctor.findings import Verdict, advice, ok, wrong
from studio.media import lifecycle
from studio.media.bucket import BucketStorage
from studio.media.errors import HouseFault
from studio.media.storage import default_storage

KEYS = "Look at AWS_STORAGE_BUCKET_NAME, AWS_S3_ENDPOINT_URL, the keys and their rights."
CONTENT = b"A doctor was here."


def bucket() -> Sequence[Verdict]:
    """Written to, read as a browser would, and left as it was."""
    storage = default_storage()
    found = lifecycle.bucket_of(storage)
    try:
        storage.probe()
        if found is None:
            return [_folder()]
        return [_tried(found)]
    except (HouseFault, FileNotFoundError) as error:
        return [wrong(f"Songs can't be kept: {error}", getattr(error, "hint", "") + f" {KEYS}")]


def _folder() -> Verdict:
    where = f"Songs are kept on this machine's disk, in {settings.NEOAPEX_HOME / 'media'}."
    if settings.NEOAPEX_ENV == "production":
        return advice(where, "Set AWS_STORAGE_BUCKET_NAME, or back that folder up.")
    return ok(where)


def _tried(storage: BucketStorage) -> Verdict:
    key = f"doctor/{secrets.token_hex(8)}"
    try:
        with storage.sink(key, content_type="text/plain") as sink:
            sink.write(CONTENT)
            sink.seal()
            sink.commit()
        return _link(storage, key)
    finally:
        storage.delete(key)


def _link(storage: BucketStorage, key: str) -> Verdict:
    remedy = "Set AWS_S3_PUBLIC_ENDPOINT_URL to the address by which browsers and fal reach the bucket."
    try:
        answer = ask("GET", storage.fetch_url(key))
    except NoAnswer as error:
        return wrong(f"Links into the bucket don't work: {error.why}.", remedy)
    if (answer.status_code, answer.body) != (200, CONTENT):
        return wrong(f"Links into the bucket don't work: they answer {answer.status_code}.", remedy)
    return ok(f"{storage.bucket_name} can be written to, and links into it work.")


def rules() -> Sequence[Verdict]:
    """Unfinished uploads cost money and show nowhere; masters are to go cold."""
    found = lifecycle.bucket_of(default_storage())
    if found is None:
        return [ok("A folder has no rules.")]
    try:
        present = lifecycle.read(found)["Rules"]
    except (HouseFault, FileNotFoundError) as error:
        return [wrong(f"The bucket's rules can't be read: {error}", KEYS)]
    foreign = [advice(says, "Decide whether it may stay.") for says in lifecycle.warnings(present)]
    if lifecycle.is_applied(present):
        return [ok("The bucket has the studio's rules."), *foreign]
    return [wrong("The bucket lacks the studio's rules.", "Run manage.py apply_lifecycle."), *foreign]
