from decimal import Decimal
from typing import Any

import pytest

from studio import endpoints
from studio.fal.client import FalClient
from studio.fal.errors import (
    AccountLocked,
    Ambiguous,
    EndpointRetired,
    FalError,
    GenerationFailed,
    InputRefused,
    NotAccepted,
    NotFinished,
    NotFound,
    Unreachable,
    UploadRefused,
)
from studio.fal.interface import CancelAnswer, FalClientInterface, Status
from studio.fal.mock import MockFalClient
from studio.fal.schemas import ExtendInput, InpaintInput, SonautoInput, TextToMusicInput
from tests.fal.conftest import ENDPOINT

AUDIO = "https://v3.fal.media/files/a.wav"
INPUTS: dict[str, SonautoInput] = {
    "text-to-music": TextToMusicInput(tags=["pop"], lyrics="la", seed=7, num_songs=2, output_format="mp3"),
    "inpaint": InpaintInput.model_validate(
        {"tags": ["pop"], "lyrics": "la", "audio_url": AUDIO, "section": {"start": 0, "end": 9.45}, "seed": 7}
    ),
    "extend": ExtendInput(prompt="p", audio_url=AUDIO, side="left", seed=7),
}


@pytest.fixture
def mock() -> MockFalClient:
    return MockFalClient()


def submit(mock: MockFalClient, arguments: dict[str, Any]) -> str:
    return mock.submit(ENDPOINT, arguments, webhook_url="https://studio.example.com/hook/").request_id


def test_both_clients_keep_the_same_promise() -> None:
    for name in FalClientInterface.__abstractmethods__:
        assert callable(getattr(FalClient, name))
        assert callable(getattr(MockFalClient, name))
    assert issubclass(FalClient, FalClientInterface)


@pytest.mark.parametrize("key", endpoints.ENDPOINTS)
def test_a_canned_song_fits_its_endpoints_schema(mock: MockFalClient, key: str) -> None:
    endpoint, ours = endpoints.get(key), INPUTS[key]
    request_id = mock.submit(endpoint.fal_id, ours.to_fal(), webhook_url=None).request_id
    mock.advance(request_id)
    result = mock.result(endpoint.fal_id, request_id)
    output = endpoint.output_schema.model_validate(result.payload)
    assert (output.seed, len(output.audio)) == (7, ours.num_songs)
    assert result.billable_units == Decimal(ours.num_songs + 1) / 2
    assert output.audio[0].url.endswith(f".{ours.output_format}")


def test_the_same_questions_get_the_same_answers(arguments: dict[str, Any]) -> None:
    def play(mock: MockFalClient) -> Any:
        request_id = submit(mock, arguments)
        mock.advance(request_id)
        return request_id, mock.result(ENDPOINT, request_id), mock.upload(b"x", content_type="a/b", file_name="x.wav")

    assert play(MockFalClient()) == play(MockFalClient())


def test_a_request_waits_until_it_is_moved(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    request_id = submit(mock, arguments)
    assert mock.status(ENDPOINT, request_id) == Status("IN_QUEUE", 0)
    with pytest.raises(NotFinished):
        mock.result(ENDPOINT, request_id)
    mock.advance(request_id, Status("IN_PROGRESS", logs=[{"message": "m", "timestamp": "t"}]))
    assert mock.status(ENDPOINT, request_id).logs == []
    assert mock.status(ENDPOINT, request_id, logs=True).logs == [{"message": "m", "timestamp": "t"}]


def test_every_call_is_remembered(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    request_id = submit(mock, arguments)
    mock.cancel(ENDPOINT, request_id)
    [first] = mock.submitted()
    assert (first.arguments, first.webhook_url) == (arguments, "https://studio.example.com/hook/")
    assert [call.operation for call in mock.calls] == ["submit", "cancel"]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt_strength": 4},
        {"seed": 7.5},
        {"lyrics": "la"},
        {"num_songs": True},
        {"tags": ["a"], "lyrics_prompt": ""},
    ],
)
def test_arguments_that_break_the_schema_are_refused(
    mock: MockFalClient, arguments: dict[str, Any], change: dict[str, Any]
) -> None:
    with pytest.raises(InputRefused):
        submit(mock, arguments | change)
    assert mock.requests == {}


def test_an_argument_left_to_fals_default_is_refused(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    del arguments["balance_strength"]
    with pytest.raises(InputRefused, match="balance_strength"):
        submit(mock, arguments)


def test_an_endpoint_off_the_list_is_refused(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    with pytest.raises(EndpointRetired):
        mock.submit("sonauto/v3/text-to-music", arguments, webhook_url=None)


@pytest.mark.parametrize("error", [NotAccepted(), AccountLocked(), InputRefused()])
def test_a_submit_can_fail_and_then_succeed(mock: MockFalClient, arguments: dict[str, Any], error: FalError) -> None:
    mock.will_raise("submit", error)
    with pytest.raises(type(error)):
        submit(mock, arguments)
    assert mock.requests == {}
    assert submit(mock, arguments)


def test_a_lost_answer_leaves_its_request_running(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    mock.will_raise("submit", Ambiguous())
    with pytest.raises(Ambiguous):
        submit(mock, arguments)
    [request_id] = mock.requests
    mock.advance(request_id)
    assert mock.result(ENDPOINT, request_id).payload["seed"] == arguments["seed"]


def test_each_other_operation_can_be_made_to_fail_once(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    request_id = submit(mock, arguments)
    for operation in ("status", "result", "cancel"):
        mock.will_raise(operation, Unreachable())
        with pytest.raises(Unreachable):
            getattr(mock, operation)(ENDPOINT, request_id)
    mock.will_raise("upload", UploadRefused())
    with pytest.raises(UploadRefused):
        mock.upload(b"x", content_type="audio/wav", file_name="x.wav")
    assert mock.status(ENDPOINT, request_id).status == "IN_QUEUE"


def test_a_failure_is_replayed_as_often_as_it_is_asked_for(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    request_id = submit(mock, arguments)
    mock.fail(request_id, GenerationFailed("No.", code="content_policy_violation"))
    for _ in range(2):
        with pytest.raises(GenerationFailed, match=r"No\."):
            mock.result(ENDPOINT, request_id)
    assert mock.status(ENDPOINT, request_id) == Status("COMPLETED")


def test_a_payload_can_be_replaced_even_by_a_wrong_one(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    request_id = submit(mock, arguments)
    mock.will_return(request_id, {"odd": True}, Decimal(0))
    assert mock.result(ENDPOINT, request_id).payload == {"odd": True}


def test_an_unknown_request_is_not_found(mock: MockFalClient) -> None:
    for ask in (mock.status, mock.result):
        with pytest.raises(NotFound):
            ask(ENDPOINT, "unknown")
    assert mock.cancel(ENDPOINT, "unknown") is CancelAnswer.NOT_FOUND


def test_a_cancelled_request_ends_as_fals_does(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    request_id = submit(mock, arguments)
    assert mock.cancel(ENDPOINT, request_id) is CancelAnswer.CANCELLED
    with pytest.raises(GenerationFailed) as caught:
        mock.result(ENDPOINT, request_id)
    assert caught.value.cancelled
    assert mock.cancel(ENDPOINT, request_id) is CancelAnswer.ALREADY_COMPLETED


def test_a_wish_to_cancel_leaves_the_request_running(mock: MockFalClient, arguments: dict[str, Any]) -> None:
    mock.will_answer_cancel(CancelAnswer.REQUESTED)
    request_id = submit(mock, arguments)
    assert mock.cancel(ENDPOINT, request_id) is CancelAnswer.REQUESTED
    assert mock.status(ENDPOINT, request_id).status == "IN_QUEUE"
