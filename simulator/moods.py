"""Moods: what goes wrong next, and for how many calls."""

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Call = Literal["submit", "status", "result", "cancel", "jwks", "file", "upload", "platform"]
FileFault = Literal["truncated", "html", "empty", "wrong_length", "cut", "endless", "missing", "slow"]
Failure = Literal[
    "validation_list",
    "validation_text",
    "content_policy_violation",
    "no_media_generated",
    "internal_server_error",
    "downstream_service_error",
    "generation_timeout",
    "startup_timeout",
    "runner_disconnected",
]


class Mood(BaseModel):
    """One mood applies to the next `next` calls of the kind `call`; simulator/README.md explains each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    next: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    call: Call = "submit"

    # Which of those calls it is for.
    seed: int | None = None
    chance: Annotated[float, Field(gt=0, le=1)] = 1.0

    # The answer to the very call.
    answer_status: Annotated[int, Field(ge=300, le=599)] | None = None
    retry_after: str | int | None = None
    nginx: bool = False
    as_text: bool = False
    with_request_id: bool = True
    delay_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    drop: Literal["before", "after"] | None = None
    accept_anyway: bool = False
    empty: bool = False
    clock_offset_seconds: int = 0

    # The life of the request that this submit starts.
    queue_seconds: Annotated[float, Field(ge=0)] | None = None
    run_seconds: Annotated[float, Field(ge=0)] | None = None
    hang: bool = False
    fail: Failure | None = None
    billable_units: Annotated[float, Field(ge=0)] | None = None
    cancel_running: Literal["stop", "ignore"] | None = None

    # Its webhook.
    webhook_lose: bool = False
    webhook_copies: Annotated[int, Field(ge=1, le=100)] = 1
    webhook_early: bool = False
    webhook_delay_seconds: Annotated[float, Field(ge=0)] = 0.0
    webhook_bad_signature: bool = False
    webhook_unknown_key: bool = False
    webhook_timestamp_offset_seconds: int = 0
    webhook_user_id: str | None = None
    webhook_payload_error: bool = False
    webhook_gateway_request_id: str | None = None
    webhook_contradicts: bool = False

    # Its files; with call="file", the next downloads of any file.
    file: FileFault | None = None
    file_bytes_per_second: Annotated[int, Field(ge=1)] = 16_384

    def strikes(self, place: int) -> bool:
        """Whether `chance` has it apply to the call at this place. The same mood strikes at the same places always."""
        drawn = hashlib.sha256(f"{place} {self.model_dump_json(exclude={'next'})}".encode()).digest()
        return int.from_bytes(drawn[:8]) < self.chance * 2**64


CALM = Mood()
