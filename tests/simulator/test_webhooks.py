"""Webhooks: signed as fal signs, retried as fal retries, and every way in which they can be wrong."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from simulator.keys import message, public_x, sign
from tests.simulator.conftest import Received, Receiver, status_of, submit, wait_until
from tests.simulator.server import RunningSimulator, running_simulator

VECTOR_KEY = bytes(range(32))
VECTOR_ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
VECTOR_BODY = (
    b'{"request_id":"764cabcf-b745-4b3e-ae38-1200304cf45b","gateway_request_id":'
    b'"764cabcf-b745-4b3e-ae38-1200304cf45b","status":"OK","payload":{"seed":42,"audio":[]}}'
)
VECTOR_SIGNATURE = (
    "4638e8c42a8042526ddee919a9bdd823fe8755f73a459f399ca5a5c0fd1bf39a"
    "c3057be924fd03dc61b6a7674668b28560c37f07b45f2b47ce0825dec1882001"
)


def is_signed(sim: RunningSimulator, delivery: Received) -> bool:
    """Verified from the outside, as a customer of fal does it."""
    headers = delivery.headers
    names = ("x-fal-webhook-request-id", "x-fal-webhook-user-id", "x-fal-webhook-timestamp")
    text = "\n".join([*(headers[name] for name in names), hashlib.sha256(delivery.body).hexdigest()])
    for key in sim.call("GET", "/.well-known/jwks.json").json()["keys"]:
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))
        try:
            public.verify(bytes.fromhex(headers["x-fal-webhook-signature"]), text.encode())
        except InvalidSignature:
            continue
        return True
    return False


def deliveries_of(sim: RunningSimulator, request_id: str) -> list[dict[str, Any]]:
    return [entry for entry in sim.deliveries() if entry["request_id"] == request_id]


def test_the_signature_is_that_of_the_known_vector() -> None:
    assert public_x(VECTOR_KEY) == "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
    fields = {"request_id": VECTOR_ID, "user_id": "test-user-1", "timestamp": "1760000000", "body": VECTOR_BODY}
    assert message(**fields).endswith(b"8b58b1153317f44d4fbc583ae2bda86f473a8f1c8834f1bd5f687ef8eb32bdef")  # type: ignore[arg-type]
    assert sign(VECTOR_KEY, **fields) == VECTOR_SIGNATURE  # type: ignore[arg-type]


def test_a_success_is_delivered_signed_with_the_payload_of_the_result(
    sim: RunningSimulator, receiver: Receiver
) -> None:
    request_id = submit(sim, webhook=f"{receiver.url}/hook?a=1&b=2")["request_id"]
    (delivery,) = receiver.wait_for(1)
    body = json.loads(delivery.body)
    assert delivery.path == "/hook?a=1&b=2"
    assert is_signed(sim, delivery)
    assert delivery.headers["x-fal-webhook-user-id"] == sim.user_id
    assert abs(int(delivery.headers["x-fal-webhook-timestamp"]) - time.time()) < 60
    assert len(delivery.headers["x-fal-webhook-signature"]) == 128
    assert body == {
        "request_id": request_id,
        "gateway_request_id": request_id,
        "status": "OK",
        "payload": sim.call("GET", f"/sonauto/v2/requests/{request_id}").json(),
    }


def test_a_refused_input_is_delivered_as_an_error_with_its_details(sim: RunningSimulator, receiver: Receiver) -> None:
    submit(sim, {"tags": ["rock"]}, webhook=receiver.url)
    body = json.loads(receiver.wait_for(1)[0].body)
    assert (body["status"], body["error"]) == ("ERROR", "Invalid status code: 422")
    assert body["payload"]["detail"][0]["type"] == "value_error"


def test_the_keys_are_published_in_fals_shape(sim: RunningSimulator) -> None:
    (key,) = sim.call("GET", "/.well-known/jwks.json").json()["keys"]
    assert (key["kty"], key["crv"], len(key["x"])) == ("OKP", "Ed25519", 43)


@pytest.mark.parametrize("answer", [200, 201, 204, 299])
def test_any_2xx_ends_the_delivery(sim: RunningSimulator, receiver: Receiver, answer: int) -> None:
    receiver.answers = [answer]
    request_id = submit(sim, webhook=receiver.url)["request_id"]
    wait_until(lambda: [entry["pending"] for entry in deliveries_of(sim, request_id)] == [False])
    assert deliveries_of(sim, request_id)[0]["answers"] == [str(answer)]


def test_every_retry_repeats_the_same_bytes(sim: RunningSimulator, receiver: Receiver) -> None:
    receiver.answers = [500, 403, 404]
    request_id = submit(sim, webhook=receiver.url)["request_id"]
    tries = receiver.wait_for(4)
    assert len({delivery.body for delivery in tries}) == 1
    assert all(is_signed(sim, delivery) for delivery in tries)
    wait_until(lambda: deliveries_of(sim, request_id)[0]["answers"] == ["500", "403", "404", "200"])


@pytest.mark.parametrize("answer", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_ends_the_delivery(
    sim: RunningSimulator, receiver: Receiver, answer: int
) -> None:
    receiver.answers = [answer]
    request_id = submit(sim, webhook=receiver.url)["request_id"]
    wait_until(lambda: deliveries_of(sim, request_id) and not deliveries_of(sim, request_id)[0]["pending"])
    assert deliveries_of(sim, request_id)[0]["answers"] == [str(answer)]
    assert [delivery.path for delivery in receiver.received] == ["/"]


@pytest.mark.slow
def test_retries_come_to_an_end(receiver: Receiver) -> None:
    receiver.answers = [500] * 10
    with running_simulator(webhook_retries=2, webhook_retry_seconds=0.05) as sim:
        submit(sim, webhook=receiver.url)
        wait_until(lambda: sim.deliveries() and not sim.deliveries()[0]["pending"])
        assert sim.deliveries()[0]["answers"] == ["500"] * 3


@pytest.mark.slow
def test_a_restart_goes_on_delivering_the_same_bytes_under_the_same_key(receiver: Receiver) -> None:
    with running_simulator(webhook_retry_seconds=0.3) as sim:
        receiver.answers = [503] * 2
        request_id = submit(sim, webhook=receiver.url)["request_id"]
        first = receiver.wait_for(1)[0]
        keys = sim.call("GET", "/.well-known/jwks.json").json()
        sim.kill()
        sim.start()
        wait_until(lambda: not sim.deliveries()[0]["pending"])
        last = receiver.received[-1]
        assert sim.call("GET", "/.well-known/jwks.json").json() == keys
        assert last.body == first.body
        assert last.headers["x-fal-webhook-request-id"] == request_id
        assert is_signed(sim, last)


def test_a_lost_webhook_never_comes_and_the_result_is_there(sim: RunningSimulator, receiver: Receiver) -> None:
    sim.set_mood(webhook_lose=True)
    request_id = submit(sim, webhook=receiver.url)["request_id"]
    wait_until(lambda: status_of(sim, request_id)["status"] == "COMPLETED")
    assert deliveries_of(sim, request_id) == []
    assert sim.call("GET", f"/sonauto/v2/requests/{request_id}").status_code == 200


def test_a_doubled_webhook_comes_twice_with_the_same_bytes(sim: RunningSimulator, receiver: Receiver) -> None:
    sim.set_mood(webhook_copies=2)
    submit(sim, webhook=receiver.url)
    first, second = receiver.wait_for(2)
    assert first.body == second.body


def test_an_early_webhook_arrives_before_the_submit_answer(sim: RunningSimulator, receiver: Receiver) -> None:
    sim.set_mood(webhook_early=True)
    answer = submit(sim, webhook=receiver.url)
    (delivery,) = receiver.received
    assert json.loads(delivery.body)["request_id"] == answer["request_id"]


def test_a_delayed_webhook_waits_after_completion(sim: RunningSimulator, receiver: Receiver) -> None:
    sim.set_mood(webhook_delay_seconds=3600)
    request_id = submit(sim, webhook=receiver.url)["request_id"]
    wait_until(lambda: status_of(sim, request_id)["status"] == "COMPLETED")
    (entry,) = deliveries_of(sim, request_id)
    assert (entry["pending"], entry["answers"], receiver.received) == (True, [], [])


@pytest.mark.parametrize("mood", [{"webhook_bad_signature": True}, {"webhook_unknown_key": True}])
def test_a_forged_webhook_fails_verification(sim: RunningSimulator, receiver: Receiver, mood: dict[str, Any]) -> None:
    sim.set_mood(**mood)
    submit(sim, webhook=receiver.url)
    assert not is_signed(sim, receiver.wait_for(1)[0])


def test_a_stale_webhook_is_signed_over_its_old_timestamp(sim: RunningSimulator, receiver: Receiver) -> None:
    sim.set_mood(webhook_timestamp_offset_seconds=-3600)
    submit(sim, webhook=receiver.url)
    (delivery,) = receiver.wait_for(1)
    assert is_signed(sim, delivery)
    assert int(delivery.headers["x-fal-webhook-timestamp"]) < time.time() - 3500


def test_a_foreign_webhook_is_truly_signed_for_another_account(sim: RunningSimulator, receiver: Receiver) -> None:
    sim.set_mood(webhook_user_id="somebody-else", webhook_gateway_request_id="another-try")
    submit(sim, webhook=receiver.url)
    (delivery,) = receiver.wait_for(1)
    assert is_signed(sim, delivery)
    assert delivery.headers["x-fal-webhook-user-id"] == "somebody-else"
    assert json.loads(delivery.body)["gateway_request_id"] == "another-try"


def test_a_payload_error_leaves_the_payload_to_the_queue(sim: RunningSimulator, receiver: Receiver) -> None:
    sim.set_mood(webhook_payload_error=True)
    request_id = submit(sim, webhook=receiver.url)["request_id"]
    body = json.loads(receiver.wait_for(1)[0].body)
    assert (body["status"], body["payload"]) == ("OK", None)
    assert "not JSON serializable" in body["payload_error"]
    assert sim.call("GET", f"/sonauto/v2/requests/{request_id}").json()["audio"]


@pytest.mark.parametrize(("more", "words"), [({}, ["OK", "ERROR"]), ({"fail": "no_media_generated"}, ["ERROR", "OK"])])
def test_a_contradiction_follows_the_truth(
    sim: RunningSimulator, receiver: Receiver, more: dict[str, Any], words: list[str]
) -> None:
    sim.set_mood(webhook_contradicts=True, **more)
    request_id = submit(sim, webhook=receiver.url)["request_id"]
    bodies = [json.loads(delivery.body) for delivery in receiver.wait_for(2)]
    assert [body["status"] for body in bodies] == words
    assert {body["request_id"] for body in bodies} == {request_id}


@pytest.mark.slow
def test_with_a_secret_it_signs_as_a_relay(receiver: Receiver) -> None:
    with running_simulator(webhook_secret="hush") as sim:
        submit(sim, webhook=receiver.url)
        (delivery,) = receiver.wait_for(1)
        sim.set_mood(webhook_unknown_key=True)
        submit(sim, webhook=receiver.url)
        strange = receiver.wait_for(2)[-1]
    assert [by_secret("hush", one) for one in (delivery, strange)] == [True, False]
    assert delivery.headers["x-fal-webhook-user-id"] == "sim-user"


def by_secret(secret: str, delivery: Received) -> bool:
    signed = "".join(delivery.headers[f"x-fal-webhook-{name}"] for name in ("request-id", "timestamp"))
    expected = hmac.new(secret.encode(), signed.encode() + delivery.body, hashlib.sha256).hexdigest()
    return expected == delivery.headers["x-fal-webhook-signature"]


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "published"), [(True, 2), (False, 1)])
def test_rotation_signs_with_a_new_key(receiver: Receiver, keep: bool, published: int) -> None:
    with running_simulator() as sim:
        old = sim.call("GET", "/.well-known/jwks.json").json()["keys"]
        sim.rotate_keys(keep=keep)
        new = sim.call("GET", "/.well-known/jwks.json").json()["keys"]
        assert len(new) == published
        assert (old[0] in new) is keep
        submit(sim, webhook=receiver.url)
        assert is_signed(sim, receiver.wait_for(1)[0])


def test_a_cancelled_request_tells_its_webhook(sim: RunningSimulator, receiver: Receiver) -> None:
    sim.set_mood(queue_seconds=60)
    request_id = submit(sim, webhook=receiver.url)["request_id"]
    sim.call("PUT", f"/sonauto/v2/requests/{request_id}/cancel")
    body = json.loads(receiver.wait_for(1)[0].body)
    assert (body["status"], body["error"]) == ("ERROR", "Invalid status code: 499")


@pytest.mark.slow
def test_a_cancelled_request_can_be_told_to_stay_silent(receiver: Receiver) -> None:
    with running_simulator(cancel_webhook=False, queue_seconds=60) as sim:
        request_id = submit(sim, webhook=receiver.url)["request_id"]
        sim.call("PUT", f"/sonauto/v2/requests/{request_id}/cancel")
        assert status_of(sim, request_id)["status"] == "COMPLETED"
        assert sim.deliveries() == []
