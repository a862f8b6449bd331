"""What a song may meet at fal, and what must have become of it: one line for each fault."""

from dataclasses import dataclass
from typing import Any, Literal

Mood = dict[str, Any]
# Who pays fal's bill for it: the person, the house, or nobody because fal bills nothing.
Payer = Literal["person", "house", "nobody"]


@dataclass(frozen=True, slots=True)
class Scene:
    """`must` finishes the sentence "a song …"; `moods` are for its submits, in their order."""

    must: str
    moods: tuple[Mood, ...]
    state: str = "READY"
    payer: Payer = "person"
    reason: str | None = None
    whose: str | None = None
    cancel_in: str | None = None


def _ready(must: str, *moods: Mood) -> Scene:
    return Scene(must, moods)


def _refused(must: str, mood: Mood, reason: str, whose: str) -> Scene:
    return Scene(must, (mood,), "FAILED", "nobody", reason, whose)


def _unheard(must: str, fault: str) -> Scene:
    return Scene(must, ({"file": fault},), "FAILED", "house", "unreadable_audio", "fal")


CALLBACKS = (
    _ready("whose callback never comes is fetched", {"webhook_lose": True}),
    _ready("whose callback comes three times is made once", {"webhook_copies": 3}),
    _ready("whose callback overtakes the answer is found", {"webhook_early": True}),
    _ready("whose callback is late is kept", {"webhook_delay_seconds": 3}),
    _ready("whose callback is forged is fetched", {"webhook_bad_signature": True}),
    _ready("whose callback is signed by nobodys key is fetched", {"webhook_unknown_key": True}),
    _ready("whose callback is stale is fetched", {"webhook_timestamp_offset_seconds": -3600}),
    _ready("whose callback is from the future is fetched", {"webhook_timestamp_offset_seconds": 3600}),
    _ready("whose callback is for another account is fetched", {"webhook_user_id": "another-customer"}),
    _ready("whose callback brings no payload is fetched", {"webhook_payload_error": True}),
    _ready("that fal tried twice is kept", {"webhook_gateway_request_id": "another-try"}),
    _ready("whose callback is contradicted stays what it was", {"webhook_contradicts": True}),
    Scene(
        "whose answer and callback come after the money went back is given and paid by the house",
        ({"drop": "after", "webhook_delay_seconds": 26},),
        payer="house",
    ),
)
SUBMITS = (
    _refused("that fal calls a bad request costs nothing", {"answer_status": 400}, "fal_refused", "us"),
    _refused("with a refused key costs nothing", {"answer_status": 401}, "fal_key_refused", "us"),
    _refused("that fal wants money for costs nothing", {"answer_status": 402}, "fal_account_locked", "us"),
    _refused("at a locked account costs nothing", {"answer_status": 403}, "fal_account_locked", "us"),
    _refused("for an unknown app costs nothing", {"answer_status": 404}, "fal_endpoint_retired", "fal"),
    _refused("for a retired app costs nothing", {"answer_status": 410}, "fal_endpoint_retired", "fal"),
    _refused("refused by field costs nothing", {"answer_status": 422}, "fal_input_refused", "you"),
    _refused("refused in a text costs nothing", {"answer_status": 422, "as_text": True}, "fal_input_refused", "you"),
    _ready("that fal is too busy for is sent again", {"answer_status": 429}),
    _ready(
        "that fal names a time for is sent again then",
        {"answer_status": 429, "retry_after": 1},
        {"answer_status": 429, "retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"},
    ),
    _ready(
        "that never reached fal behind its proxy is sent again",
        {"answer_status": 503, "nginx": True, "with_request_id": False},
    ),
    _ready("accepted with a 500 is sent once and kept", {"answer_status": 500, "accept_anyway": True}),
    _ready("accepted with a 502 is sent once and kept", {"answer_status": 502, "accept_anyway": True}),
    _ready("accepted with a 503 of fal's own is sent once and kept", {"answer_status": 503, "accept_anyway": True}),
    _ready("accepted with a 504 is sent once and kept", {"answer_status": 504, "accept_anyway": True}),
    _ready(
        "accepted behind a proxy that failed is sent once and kept",
        {"answer_status": 502, "nginx": True, "with_request_id": False, "accept_anyway": True},
    ),
    _ready("accepted slowly is sent once and kept", {"delay_seconds": 3}),
    _ready("accepted over a line that broke is sent once and kept", {"drop": "after"}),
    _refused("over a line that broke before is given back", {"drop": "before"}, "lost", "fal"),
    _refused("that a 500 swallowed is given back", {"answer_status": 500}, "lost", "fal"),
    _refused("that a 503 of fal's own swallowed is given back", {"answer_status": 503}, "lost", "fal"),
)
LIVES = (
    _refused("that the model refuses by field costs nothing", {"fail": "validation_list"}, "input_refused", "you"),
    _refused("that the model refuses in a text costs nothing", {"fail": "validation_text"}, "input_refused", "you"),
    _refused(
        "against the rules costs nothing", {"fail": "content_policy_violation"}, "content_policy_violation", "you"
    ),
    _refused("that broke the model costs nothing", {"fail": "internal_server_error"}, "internal_server_error", "fal"),
    _refused("that took too long costs nothing", {"fail": "generation_timeout"}, "generation_timeout", "fal"),
    _refused("that lost its runner costs nothing", {"fail": "runner_disconnected"}, "runner_disconnected", "fal"),
    Scene(
        "that failed and is billed all the same is paid by the house",
        ({"fail": "no_media_generated", "billable_units": 1},),
        "FAILED",
        "house",
        "no_media_generated",
    ),
    Scene(
        "that hangs ends when it is cancelled",
        ({"hang": True},),
        "CANCELLED",
        "nobody",
        "cancelled",
        "you",
        "SUBMITTED RUNNING",
    ),
    Scene(
        "cancelled in fal's line ends there and then",
        ({"queue_seconds": 60},),
        "CANCELLED",
        "nobody",
        "cancelled",
        "you",
        "SUBMITTED",
    ),
    Scene(
        "that fal finishes after a wish to cancel is given and paid",
        ({"run_seconds": 20, "cancel_running": "ignore", "queue_seconds": 0},),
        cancel_in="SUBMITTED RUNNING",
    ),
)
FILES = (
    _unheard("cut in half costs the person nothing", "truncated"),
    _unheard("cut in half without a length costs the person nothing", "cut"),
    _unheard("that breaks off costs the person nothing", "wrong_length"),
    _unheard("that is a page costs the person nothing", "html"),
    _unheard("that is empty costs the person nothing", "empty"),
    _unheard("whose file is gone costs the person nothing", "missing"),
    _unheard("that never ends costs the person nothing", "endless"),
    _ready("whose file trickles is kept", {"file": "slow", "file_bytes_per_second": 100_000}),
)
SCENES = (*CALLBACKS, *SUBMITS, *LIVES, *FILES)
