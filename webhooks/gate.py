"""A look at a callback on the event loop: what is surely not fal's takes no thread, no query and no line in a log.

It judges by the same rules as the view, and only where that waits for nothing: else the view does, in a thread.
"""

import re
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from webhooks import addresses, signatures, tallies
from webhooks.errors import NotVerified, OutOfReach
from webhooks.limits import BODY_MAX_BYTES
from webhooks.signatures import Signed

PATH: Final = re.compile(r"/webhooks/fal/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")
# Where a thread finds what is verified already; a client can put nothing into the server's own dictionary.
VERIFIED: Final = "webhooks.verified"
NAMES: Final = {
    f"{signatures.HEADER}{name}".lower().encode(): f"{signatures.HEADER}{name}"
    for name in ("Request-Id", "User-Id", "Timestamp", "Signature")
}


@dataclass(frozen=True, slots=True)
class Verified:
    """A callback that has only to be stored."""

    signed: Signed
    generation_id: UUID


def refusal(scope: MutableMapping[str, Any], body: bytes) -> NotVerified | None:
    """Why this request of an ASGI server is refused; None where it is verified now, or the view has to judge."""
    address = PATH.fullmatch(scope["path"])
    if scope["method"] != "POST" or address is None:
        return None
    headers = _joined(scope["headers"])
    if _is_large(headers, body):
        return None
    try:
        addresses.check(_meta(scope, headers), may_wait=False)
        fal = {name: headers[raw] for raw, name in NAMES.items() if raw in headers}
        signed = signatures.active().verify(fal, body, now=time.time(), may_wait=False)
    except NotVerified as error:
        if error.stale_request_id is not None:
            return None
        tallies.add(error.outcome)
        return error
    except OutOfReach:
        return None
    scope[VERIFIED] = Verified(signed, UUID(address[1]))
    return None


def verified(environ: Mapping[str, Any]) -> Verified | None:
    """What the gate let through, of the request that this WSGI environment is of."""
    found = environ.get("asgi.scope", {}).get(VERIFIED)
    return found if isinstance(found, Verified) else None


def _joined(headers: Any) -> dict[bytes, str]:
    """One text for each name, as WSGI has it: what comes twice is joined by a comma, and so fits no signature."""
    joined: dict[bytes, str] = {}
    for name, value in headers:
        text = value.decode("latin-1")
        joined[name] = f"{joined[name]},{text}" if name in joined else text
    return joined


def _is_large(headers: Mapping[bytes, str], body: bytes) -> bool:
    declared = headers.get(b"content-length", "")
    return len(body) > BODY_MAX_BYTES or (declared.isdigit() and int(declared[:20]) > BODY_MAX_BYTES)


def _meta(scope: Mapping[str, Any], headers: Mapping[bytes, str]) -> dict[str, str]:
    client = scope.get("client") or ("",)
    return {"REMOTE_ADDR": str(client[0]), "HTTP_X_FORWARDED_FOR": headers.get(b"x-forwarded-for", "")}
