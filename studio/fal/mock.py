"""A client without a network: answers from cans, holds inputs to the real schemas, and remembers what it was asked."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import ValidationError

from studio import endpoints
from studio.fal.answers import generation_failed
from studio.fal.errors import Ambiguous, EndpointRetired, FalError, InputRefused, NotFinished, NotFound, Said
from studio.fal.interface import CancelAnswer, FalClientInterface, Result, Status, Submission
from studio.fal.schemas import explain

Operation = Literal["submit", "status", "result", "cancel", "upload"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came; fields that an operation does not have stay empty."""

    operation: Operation
    endpoint_id: str = ""
    request_id: str = ""
    arguments: Mapping[str, Any] | None = None
    webhook_url: str | None = None


@dataclass(slots=True)
class _Request:
    endpoint: endpoints.Endpoint
    arguments: dict[str, Any]
    status: Status


class MockFalClient(FalClientInterface):
    """Deterministic: request ids count up, and every song's file follows from its request id.

    A request stays IN_QUEUE until `advance()`; `fail()` and `will_answer()` say what the next calls meet instead.
    """

    def __init__(self, *, files_url: str = "https://v3.fal.media/files/mock") -> None:
        self.calls: list[Call] = []
        self.requests: dict[str, _Request] = {}
        self._files_url = files_url
        self._errors: defaultdict[Operation, deque[FalError]] = defaultdict(deque)
        self._failures: dict[str, FalError] = {}
        self._results: dict[str, Result] = {}
        self._cancel_answer = CancelAnswer.CANCELLED

    def will_raise(self, operation: Operation, *errors: FalError) -> None:
        """The next calls of this operation raise these, in turn. An Ambiguous submit is accepted all the same."""
        self._errors[operation].extend(errors)

    def will_answer_cancel(self, answer: CancelAnswer) -> None:
        self._cancel_answer = answer

    def advance(self, request_id: str, status: Status | None = None) -> None:
        """Move a request to a status, COMPLETED unless given."""
        self.requests[request_id].status = status or Status("COMPLETED")

    def will_return(self, request_id: str, payload: dict[str, Any], billable_units: Decimal | None = None) -> None:
        """Complete a request with this payload, right or wrong, instead of a canned one."""
        self._results[request_id] = Result(payload, billable_units)
        self.advance(request_id)

    def fail(self, request_id: str, error: FalError) -> None:
        """Complete a request with a failure, which its result raises from now on."""
        self._failures[request_id] = error
        self.advance(request_id, Status("COMPLETED", error=error.message))

    def submitted(self) -> list[Call]:
        return [call for call in self.calls if call.operation == "submit"]

    def submit(self, endpoint_id: str, arguments: Mapping[str, Any], *, webhook_url: str | None) -> Submission:
        """As the real one, but a wrong input is refused at once, and so is one that leaves a field to fal's default."""
        self.calls.append(Call("submit", endpoint_id, arguments=dict(arguments), webhook_url=webhook_url))
        endpoint = _endpoint(endpoint_id)
        _validate(endpoint, arguments)
        error = self._next_error("submit")
        if error is None or isinstance(error, Ambiguous):
            request_id = f"00000000-0000-4000-8000-{len(self.requests) + 1:012d}"
            self.requests[request_id] = _Request(endpoint, dict(arguments), Status("IN_QUEUE", 0))
        if error is not None:
            raise error
        return Submission(request_id, 0)

    def status(self, endpoint_id: str, request_id: str, *, logs: bool = False) -> Status:
        request = self._find("status", endpoint_id, request_id)
        return request.status if logs else Status(request.status.status, request.status.queue_position)

    def result(self, endpoint_id: str, request_id: str) -> Result:
        request = self._find("result", endpoint_id, request_id)
        if request.status.status != "COMPLETED":
            raise NotFinished(said=Said(400, request_id))
        if request_id in self._failures:
            raise self._failures[request_id]
        return self._results.get(request_id) or self._canned(request_id, request)

    def cancel(self, endpoint_id: str, request_id: str) -> CancelAnswer:
        try:
            request = self._find("cancel", endpoint_id, request_id)
        except NotFound:
            return CancelAnswer.NOT_FOUND
        if request.status.status == "COMPLETED":
            return CancelAnswer.ALREADY_COMPLETED
        if self._cancel_answer is CancelAnswer.CANCELLED:
            self.fail(request_id, generation_failed(Said(499, request_id), None))
        return self._cancel_answer

    def upload(self, data: bytes, *, content_type: str, file_name: str) -> str:
        self.calls.append(Call("upload", arguments={"content_type": content_type, "bytes": len(data)}))
        if error := self._next_error("upload"):
            raise error
        return f"{self._files_url}/{len(self.calls)}/{file_name}"

    def _find(self, operation: Operation, endpoint_id: str, request_id: str) -> _Request:
        self.calls.append(Call(operation, endpoint_id, request_id))
        if error := self._next_error(operation):
            raise error
        if request_id not in self.requests:
            raise NotFound(said=Said(404, raw='{"status": "NOT_FOUND"}'))
        return self.requests[request_id]

    def _next_error(self, operation: Operation) -> FalError | None:
        waiting = self._errors[operation]
        return waiting.popleft() if waiting else None

    def _canned(self, request_id: str, request: _Request) -> Result:
        arguments = request.arguments
        songs, kind = arguments["num_songs"], arguments["output_format"]
        audio = [
            {
                "url": f"{self._files_url}/{request_id}/{song}.{kind}",
                "content_type": f"audio/{kind}",
                "file_name": f"sonauto.{kind}",
                "file_size": 16_777_294,
            }
            for song in range(songs)
        ]
        payload: dict[str, Any] = {"audio": audio, "seed": arguments["seed"]}
        if request.endpoint.key != "inpaint":
            payload |= {"tags": arguments["tags"] or ["pop"], "lyrics": arguments["lyrics_prompt"] or ""}
        if request.endpoint.key == "extend":
            payload["extend_duration"] = arguments["extend_duration"] or 30.0
        return Result(payload, Decimal(songs + 1) / 2)


def _endpoint(endpoint_id: str) -> endpoints.Endpoint:
    for endpoint in endpoints.ENDPOINTS.values():
        if endpoint.fal_id == endpoint_id:
            return endpoint
    raise EndpointRetired(said=Said(404))


def _validate(endpoint: endpoints.Endpoint, arguments: Mapping[str, Any]) -> None:
    try:
        complete = endpoint.input_schema.from_fal(arguments).to_fal()
    except ValidationError as error:
        raise InputRefused("; ".join(problem.message for problem in explain(error)), said=Said(422)) from error
    if missing := complete.keys() - arguments.keys():
        raise InputRefused(f"Left to fal's defaults: {', '.join(sorted(missing))}", said=Said(422))
