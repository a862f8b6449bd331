"""The fixtures of the core, and the fal that signs callbacks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from studio.models import Generation, User
from tests.studio.fixtures import ada, bo, fal, rings, studio_settings
from tests.studio.people import submitted
from tests.webhooks.signing import ACCOUNT, Fal, running_fal
from webhooks import addresses, signatures, stale, tallies

__all__ = ["ada", "bo", "fal", "rings", "studio_settings"]


def forget_all() -> None:
    """As in a process that has just started."""
    for kept in (signatures.active, signatures.key_ring, addresses.ranges, stale.memory, tallies._of_this_process):
        kept.cache_clear()


@pytest.fixture(scope="session")
def shared_signer() -> Iterator[Fal]:
    with running_fal() as signer:
        yield signer


@pytest.fixture
def signer(shared_signer: Fal, settings: Settings) -> Iterator[Fal]:
    """The signing fal, with one fresh key, and a verifier that has not seen it yet."""
    shared_signer.location, shared_signer.fetches = "", 0
    shared_signer.rotate()
    settings.NEOAPEX_FAL_JWKS_URL = shared_signer.url
    settings.NEOAPEX_FAL_USER_ID = ACCOUNT
    forget_all()
    yield shared_signer
    forget_all()


@pytest.fixture
def generation(ada: User) -> Generation:
    """One that fal has accepted."""
    return submitted(ada)


class Door:
    """Where callbacks come in, through all of Django."""

    def __init__(self, signer: Fal) -> None:
        self._signer = signer
        self.client = Client(raise_request_exception=False)

    def post(
        self, generation_id: object, body: bytes, headers: dict[str, str], content_type: str = "application/json"
    ) -> Any:
        return self.client.post(f"/webhooks/fal/{generation_id}/", body, content_type=content_type, headers=headers)

    def deliver(self, generation: Generation, body: bytes, request_id: str | None = None, **how: object) -> int:
        """A callback that is rightly signed; returns the status that it is answered with."""
        signed = self._signer.headers(body, request_id or str(generation.request_id), **how)  # type: ignore[arg-type]
        status: int = self.post(generation.pk, body, signed).status_code
        return status


@pytest.fixture
def door(signer: Fal, settings: Settings, tmp_path: Path) -> Door:
    # Nothing was collected here.
    settings.STATIC_ROOT = tmp_path
    return Door(signer)
