"""Talking to an S3 server: bounded waits, bounded tries, and errors that say whose move it is."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError
from botocore.exceptions import ConnectionError as BotoConnectionError
from tenacity import (
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential_jitter,
)

from studio.media.errors import (
    HouseFault,
    StorageArchived,
    StorageBusy,
    StorageFailed,
    StorageRefused,
    StorageUnreachable,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 20
TRIES: Final = 5
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "Throttling", "RequestLimitExceeded", "503", "429"})
_PASSING = _BUSY | {"InternalError", "RequestTimeout", "OperationAborted", "500", "502", "504"}
_NOT_OFFERED = frozenset({"NotImplemented", "501"})
_REFUSED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "401", "403"}
    | {"RequestTimeTooSkewed", "AccountProblem", "NotSignedUp", "AllAccessDisabled", "ExpiredTokenException"}
)


def is_amazons(endpoint_url: str | None) -> bool:
    host = urlsplit(endpoint_url).hostname or "" if endpoint_url else "amazonaws.com"
    return host.endswith(("amazonaws.com", "amazonaws.com.cn"))


def client_config(endpoint_url: str | None, addressing_style: str | None = None) -> Config:
    """Retries are ours, in call(): botocore's own can't be told apart from a first try, and sleep in the dark."""
    is_auto = addressing_style in {None, "auto"}
    style = "path" if is_auto and not is_amazons(endpoint_url) else addressing_style or "auto"
    options: dict[str, Any] = {"s3": {"addressing_style": style}}
    if not is_amazons(endpoint_url):
        # Other servers than Amazon's may store the checksum's trailer as if it were part of the file.
        options["request_checksum_calculation"] = options["response_checksum_validation"] = "when_required"
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        signature_version="s3v4",
        **options,
    )


def call(client: "S3Client", operation: str, *, cancelled: Event | None = None, **parameters: Any) -> Any:
    """One request, sent again a few times where that can help, but not once it is cancelled.

    Raises FileNotFoundError or a HouseFault.
    """
    cancelled = cancelled or Event()
    tries = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(TRIES) | stop_when_event_set(cancelled),
        wait=wait_exponential_jitter(
            multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS, jitter=FIRST_PAUSE_SECONDS
        ),
        sleep=sleep_using_event(cancelled),
        reraise=True,
    )
    with bucket_faults(operation):
        return tries(_once, client, operation, parameters)


def _once(client: "S3Client", operation: str, parameters: dict[str, Any]) -> Any:
    body = parameters.get("Body")
    if isinstance(body, io.RawIOBase):
        # The try before has read some of it.
        body.seek(0)
    return getattr(client, operation)(**parameters)


def pages(client: "S3Client", operation: str, marks: Mapping[str, str], **parameters: Any) -> Iterator[Any]:
    """Every page of a listing; `marks` tells which field of a page goes into which parameter for the next."""
    while True:
        page = call(client, operation, **parameters)
        yield page
        if not page.get("IsTruncated"):
            return
        parameters |= {there: page[here] for there, here in marks.items() if page.get(here)}


@contextmanager
def bucket_faults(operation: str) -> Iterator[None]:
    """Turns what botocore raises into what the studio knows. No text of theirs is kept: it may hold a signature."""
    try:
        yield
    except ClientError as error:
        raise _of_an_answer(operation, error) from None
    except (BotoConnectionError, HTTPClientError) as error:
        raise StorageUnreachable(f"{operation}: {type(error).__name__}") from None
    except NoCredentialsError:
        raise StorageRefused(f"{operation}: no credentials") from None
    except BotoCoreError as error:
        raise StorageFailed(f"{operation}: {type(error).__name__}") from None


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _of_an_answer(operation: str, error: ClientError) -> HouseFault | FileNotFoundError:
    code = code_of(error)
    detail = f"{operation}: {code}"
    if code in _MISSING:
        return FileNotFoundError(detail)
    if code == "InvalidObjectState":
        return StorageArchived(detail)
    if code == "NoSuchUpload":
        return UploadGone(detail)
    if code in _NOT_OFFERED:
        return NotOffered(detail)
    if code in _REFUSED:
        return StorageRefused(detail)
    return StorageBusy(detail) if code in _BUSY else StorageFailed(detail)


class UploadGone(StorageFailed):
    """The server knows no such upload: completed already, aborted by somebody, or never begun."""

    code = "upload_gone"


class NotOffered(StorageFailed):
    """The server speaks a part of the protocol only, and this is not in it."""

    code = "storage_not_offered"


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        is_servers = status >= HTTPStatus.INTERNAL_SERVER_ERROR and code_of(error) not in _NOT_OFFERED
        return code_of(error) in _PASSING or is_servers
    return isinstance(error, BotoConnectionError | HTTPClientError)
