"""People with a song of 20 seconds that lies on disk, and fal from cans."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from studio import dispatch, doorbell, tokens
from studio.fal.mock import MockFalClient
from studio.media.storage import default_storage
from studio.models import Track, User
from tests import factories
from tests.studio import people

RATE = 44_100
SECONDS = 20


def wav(samples: np.ndarray) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as writer:
        writer.setnchannels(samples.shape[1])
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples.astype("<i2").tobytes())
    return target.getvalue()


def noise(seconds: float = SECONDS, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-9000, 9000, (round(seconds * RATE), 2), dtype=np.int16)


def keep(track: Track, audio: bytes) -> None:
    """Put a master and a preview where the track says that they are."""
    for key in (track.master_key, track.preview_key):
        with default_storage().sink(key) as sink:
            sink.write(audio)
            sink.commit()
    Track.objects.filter(pk=track.pk).update(master_bytes=len(audio))
    track.refresh_from_db()


@pytest.fixture(autouse=True)
def studio_settings(settings: Settings, tmp_path: Path) -> Settings:
    settings.NEOAPEX_PUBLIC_URL = "https://studio.example.com"
    settings.SETTLE_BY_POLLING = False
    settings.NEOAPEX_USER_RATE = None
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": str(tmp_path / "media")}},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    cache.clear()
    return settings


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda task, **_: rung.append(task))
    monkeypatch.setattr(doorbell, "ring_soon", lambda task, **_: rung.append(task))
    return rung


@pytest.fixture(autouse=True)
def fal(monkeypatch: pytest.MonkeyPatch) -> MockFalClient:
    client = MockFalClient()
    monkeypatch.setattr(dispatch, "from_settings", lambda: client)
    return client


@pytest.fixture
def ada(db: None) -> User:
    return people.person("ada")


@pytest.fixture
def ben(db: None) -> User:
    return people.person("ben")


@pytest.fixture
def track(ada: User) -> Track:
    """Twenty seconds that Ada made, with the words that it was made from."""
    return song_of(ada)


def song_of(person: User, **recipe: object) -> Track:
    words = {"prompt": None, "tags": ["folk"], "lyrics": "[Verse]\none\ntwo\nthree\nfour"}
    made = factories.make_generation(person=person, state="READY", recipe=words | recipe)
    found = factories.make_track(made, duration_ms=SECONDS * 1000, title="Kettle")
    keep(found, wav(noise()))
    return found


@pytest.fixture
def program(ada: User) -> Client:
    return client_of(ada)


@pytest.fixture
def client_of_ben(ben: User) -> Client:
    return client_of(ben)


def client_of(person: User) -> Client:
    raw = tokens.create(person, "test")[1]
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {raw}"})


@pytest.fixture
def browser(ada: User) -> Client:
    client = Client()
    client.force_login(ada, "allauth.account.auth_backends.AuthenticationBackend")
    return client
