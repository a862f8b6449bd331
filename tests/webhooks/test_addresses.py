"""The check of where a callback came from: whose word counts for the address, and what holds when fal doesn't tell."""

import json
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from studio.models import Generation
from tests.simulator.server import running_simulator
from tests.webhooks.conftest import Door, forget_all
from tests.webhooks.delivering import ok
from tests.webhooks.signing import Fal, running_fal
from webhooks import addresses
from webhooks.addresses import parse_ranges
from webhooks.models import Delivery

FALS, STRANGERS = "34.123.59.101", "203.0.113.9"
RANGES = [f"{FALS}/32", "10.1.0.0/16", "2001:db8::/32"]


@pytest.fixture
def fals_addresses(settings: Settings, signer: Fal) -> Iterator[Fal]:
    """fal's metadata at an address of its own, and the check switched on."""
    with running_fal() as fal:
        fal.document = json.dumps({"webhook_ip_ranges": RANGES}).encode()
        settings.NEOAPEX_FAL_API_URL = fal.url
        settings.NEOAPEX_WEBHOOK_ADDRESSES = "fal"
        forget_all()
        yield fal


def knock(door: Door, generation: Generation, address: str, **meta: str) -> int:
    """The status for a rightly signed callback that comes from there."""
    door.client.defaults.update(REMOTE_ADDR=address, **meta)
    return door.deliver(generation, ok(generation))


@pytest.mark.parametrize("address", [FALS, "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"])
def test_a_callback_from_fals_addresses_is_let_in(
    door: Door, generation: Generation, fals_addresses: Fal, address: str
) -> None:
    assert knock(door, generation, address) == 200


@pytest.mark.parametrize(
    "address", [STRANGERS, "10.2.0.1", "::ffff:10.2.0.1", "2001:db9::7", "", "unix", "10.1.2.3:80"]
)
def test_a_callback_from_elsewhere_is_refused_however_well_it_is_signed(
    door: Door, generation: Generation, fals_addresses: Fal, address: str
) -> None:
    assert knock(door, generation, address) == 403
    assert not Delivery.objects.exists()


def test_without_a_proxy_nobody_can_name_another_address(
    door: Door, generation: Generation, fals_addresses: Fal
) -> None:
    for claimed in (FALS, f"{FALS}, {FALS}"):
        assert knock(door, generation, STRANGERS, HTTP_X_FORWARDED_FOR=claimed, HTTP_X_REAL_IP=claimed) == 403
    assert knock(door, generation, FALS, HTTP_X_FORWARDED_FOR=STRANGERS) == 200


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (FALS, 200),
        (f"{STRANGERS}, {FALS}", 200),
        (f" {STRANGERS} , {FALS} ", 200),
        (f"{FALS}, {STRANGERS}", 403),
        (STRANGERS, 403),
        ("", 403),
        (f"{FALS},", 403),
        ("unknown", 403),
    ],
)
def test_behind_a_proxy_only_what_the_proxy_adds_counts(
    door: Door, generation: Generation, fals_addresses: Fal, settings: Settings, forwarded: str, status: int
) -> None:
    settings.NEOAPEX_BEHIND_PROXY = True
    assert knock(door, generation, FALS, HTTP_X_FORWARDED_FOR=forwarded) == status


def test_the_check_is_off_unless_it_is_asked_for(
    door: Door, generation: Generation, fals_addresses: Fal, settings: Settings
) -> None:
    settings.NEOAPEX_WEBHOOK_ADDRESSES = "off"
    assert knock(door, generation, STRANGERS) == 200
    assert fals_addresses.fetches == 0


@pytest.mark.parametrize(
    ("status", "document"),
    [(500, b"{}"), (404, b""), (302, b""), (200, b"<html>"), (200, b"{}"), (200, b'{"webhook_ip_ranges": []}'),
     (200, b'{"webhook_ip_ranges": ["x", null]}')],
)  # fmt: skip
def test_addresses_out_of_reach_are_asked_for_once_a_minute_and_fal_is_asked_to_come_again(
    door: Door, generation: Generation, fals_addresses: Fal, status: int, document: bytes
) -> None:
    fals_addresses.status, fals_addresses.document, fals_addresses.location = status, document, fals_addresses.url
    for address in (FALS, STRANGERS) * 5:
        assert knock(door, generation, address) == 503
    assert fals_addresses.fetches == 1
    answer = door.post(generation.pk, b"{}", {})
    assert answer.json()["code"] == "addresses_unreachable"
    assert int(answer.headers["Retry-After"]) > 0
    assert not Delivery.objects.exists()


def test_a_new_address_of_fals_is_picked_up_at_its_first_use(
    door: Door, generation: Generation, fals_addresses: Fal
) -> None:
    assert knock(door, generation, FALS) == 200
    fals_addresses.document = json.dumps({"webhook_ip_ranges": [f"{STRANGERS}/32"]}).encode()
    assert knock(door, generation, STRANGERS) == 403, "within a minute nothing is fetched again"
    addresses.ranges()._tried_at -= 61
    assert knock(door, generation, STRANGERS) == 200
    assert knock(door, generation, FALS) == 403
    assert fals_addresses.fetches == 2


def test_one_odd_range_does_not_take_the_others_away() -> None:
    assert [str(one) for one in parse_ranges({"webhook_ip_ranges": ["x", 7, None, "10.1.2.3/8", FALS]})] == [
        "10.0.0.0/8", f"{FALS}/32",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_simulators_metadata_is_read(settings: Settings) -> None:
    with running_simulator() as sim:
        settings.NEOAPEX_FAL_API_URL = f"{sim.url}/v1"
        settings.NEOAPEX_WEBHOOK_ADDRESSES = "fal"
        forget_all()
        addresses.check({"REMOTE_ADDR": "127.0.0.1"})
