"""One studio for all journeys that don't break it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.journeys.stack import RunningStudio, running_studio


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio() as running:
        running.add_person("ada@example.com")
        running.add_person("ben@example.com")
        yield running


@pytest.fixture(scope="module")
def ada(studio: RunningStudio) -> Iterator[httpx.Client]:
    with studio.client("ada@example.com") as client:
        yield client


@pytest.fixture(scope="module")
def ben(studio: RunningStudio) -> Iterator[httpx.Client]:
    with studio.client("ben@example.com") as client:
        yield client
