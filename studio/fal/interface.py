"""The seam to fal: five operations and the shapes of their answers, free of HTTP and of the SDK."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypedDict

StatusWord = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]


class LogLine(TypedDict):
    message: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class Submission:
    """fal has accepted the request: it will run, and it will be billed."""

    request_id: str
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What fal says now. A failed request is COMPLETED as well: `error` may say so, the result always does."""

    status: StatusWord
    queue_position: int | None = None
    logs: list[LogLine] = field(default_factory=list)
    error: str | None = None
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The model's output as fal returned it, and the units that fal bills for it where fal said so."""

    payload: dict[str, Any]
    billable_units: Decimal | None = None


class CancelAnswer(Enum):
    """CANCELLED is final; after REQUESTED and ALREADY_COMPLETED the outcome is still to come."""

    CANCELLED = "CANCELLED"
    REQUESTED = "REQUESTED"
    ALREADY_COMPLETED = "ALREADY_COMPLETED"
    NOT_FOUND = "NOT_FOUND"


class FalClientInterface(ABC):
    """All that the studio asks of fal. Every operation ends within its timeouts and is safe to call from any thread."""

    @abstractmethod
    def submit(self, endpoint_id: str, arguments: Mapping[str, Any], *, webhook_url: str | None) -> Submission:
        """Send one paid request, in one POST that is never repeated here.

        Raises NotAccepted (may be sent again), Refused (final) or Ambiguous (fal may have it: never send it again).
        """

    @abstractmethod
    def status(self, endpoint_id: str, request_id: str, *, logs: bool = False) -> Status:
        """Raises NotFound or Unreachable."""

    @abstractmethod
    def result(self, endpoint_id: str, request_id: str) -> Result:
        """Fetch the output once, without waiting for it.

        Raises NotFinished, NotFound, GenerationFailed (the model's own failure, final) or Unreachable (ask later).
        """

    @abstractmethod
    def cancel(self, endpoint_id: str, request_id: str) -> CancelAnswer:
        """Raises Unreachable."""

    @abstractmethod
    def upload(self, data: bytes, *, content_type: str, file_name: str) -> str:
        """Put a file on fal's CDN and return its public URL. Raises UploadRefused or Unreachable."""
