"""Cold storage as the bucket tells of it, and asking for a file back."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from botocore.exceptions import ClientError

from studio.media.bucket_client import bucket_faults, code_of
from studio.media.errors import HouseFault
from studio.media.lifecycle import bucket_of
from studio.media.storage import Facts, default_storage

# Of S3's classes those that have to be asked first. GLACIER_IR answers at once, whatever its name.
COLD: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_EXPIRY: Final = re.compile(r'expiry-date="([^"]+)"')

Place = Literal["STANDARD", "GLACIER", "RESTORING", "RESTORED"]


class RestoreRefused(HouseFault):
    """The bucket said no, so nothing is on its way and nothing is to be paid."""

    code = "restore_refused"
    message = "The storage did not take the request."
    hint = "Choose another speed, or try again in an hour."


@dataclass(frozen=True, slots=True)
class Whereabouts:
    place: Place
    until: datetime | None = None


def whereabouts(facts: Facts) -> Whereabouts:
    """Where a file is, by its class and what S3 says of its restore."""
    if facts.storage_class not in COLD:
        return Whereabouts("STANDARD")
    said = facts.restore or ""
    if 'ongoing-request="true"' in said:
        return Whereabouts("RESTORING")
    if 'ongoing-request="false"' not in said:
        return Whereabouts("GLACIER")
    expiry = _EXPIRY.search(said)
    return Whereabouts("RESTORED", parsedate_to_datetime(expiry[1]) if expiry else None)


def ask_back(key: str, *, tier: str, days: int) -> None:
    """Ask for a copy that stays for so many days. To ask again while it is on its way changes nothing.

    :raises RestoreRefused: nothing is on its way.
    :raises HouseFault: nobody knows; ask again later.
    """
    bucket = bucket_of(default_storage())
    if bucket is None:
        raise RestoreRefused("no bucket")
    with bucket_faults("restore"):
        try:
            bucket.client.restore_object(
                Bucket=bucket.bucket_name,
                Key=key,
                RestoreRequest={"Days": days, "GlacierJobParameters": {"Tier": tier}},  # type: ignore[typeddict-item]
            )
        except ClientError as error:
            code = code_of(error)
            if code == "RestoreAlreadyInProgress":
                return
            # These are plain answers; whatever else went wrong may have been taken all the same.
            if code in {
                "GlacierExpeditedRetrievalNotAvailable",
                "InvalidObjectState",
                "AccessDenied",
                "NotImplemented",
            }:
                raise RestoreRefused(code) from None
            raise
