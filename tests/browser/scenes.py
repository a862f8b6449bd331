"""What the pictures show: songs in every state, some of them with real sound from the simulator."""

from datetime import timedelta
from typing import Any

import httpx
from django.utils import timezone

from studio.management.commands.seed_demo import MUSICIAN
from studio.models import Generation, User
from studio.states import GenerationState as State
from studio.states import TrackState, Whose
from tests import factories
from tests.journeys.stack import RunningStudio

HEARD: tuple[dict[str, Any], ...] = (
    {"prompt": "Night bus home, tape hiss and a Rhodes that keeps forgetting the chord", "num_songs": 1},
    {
        "tags": ["dream pop", "shoegaze", "female vocals", "reverb"],
        "lyrics": "[Verse]\nNeon on the water\nYou said it looked like glass\n\n[Chorus]\nHold the light a while",
        "vibe_strength": 2.4,
        "bpm": 92,
        "seed": "1844674407370955161",
        "num_songs": 2,
    },
    {"prompt": "A slow waltz for upright piano and rain, sung close to the microphone", "num_songs": 2},
)


def make_heard_songs(studio: RunningStudio) -> None:
    """Songs that can be played, made in the ordinary way."""
    with studio.client(MUSICIAN) as client:
        made = [_start(client, inputs) for inputs in HEARD]
        for generation_id in made:
            studio.wait_for_state(client, generation_id, "READY", seconds=90)


def _start(client: httpx.Client, inputs: dict[str, Any]) -> str:
    answer = client.post("/api/generations", json={"endpoint": "text-to-music", **inputs})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def make_album(client: httpx.Client, song: dict[str, Any]) -> dict[str, str]:
    """A project with a song in it, shared by link; where to look at it, at its recipe and at a difference."""
    project = _asked(client.post("/api/projects", json={"title": "Songs for a night bus"}))["id"]
    tracks = [track["id"] for track in song["tracks"]]
    for number, track_id in enumerate(tracks):
        wanted = {"project": project, "rating": 4 - number, "favourite": not number}
        _asked(client.patch(f"/api/tracks/{track_id}", json=wanted))
    link = _asked(client.post(f"/api/projects/{project}/links", json={}))
    items = _asked(client.get("/api/tracks?limit=100"))["items"]
    other = next((item["id"] for item in items if item["generation"] != song["id"]), tracks[-1])
    return {
        "song": f"/generations/{song['id']}/",
        "recipe": f"/generations/{song['id']}/recipe/",
        "project": f"/projects/{project}/",
        "diff": f"/tracks/{tracks[0]}/diff/{other}",
        "shared": link["path"],
    }


def _asked(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def lay_other_states() -> None:
    """A generation in each of the states that pass too fast or need something to go wrong; nothing works on them."""
    person = User.objects.get(email=MUSICIAN)
    now = timezone.now()
    _lay(person, State.CANCELLED, "Lo-fi harp and vinyl crackle", reason_message="You cancelled it before it was sent.")
    _lay(
        person,
        State.FAILED,
        "Industrial techno from a laundromat at four in the morning",
        reason_code="content_policy_violation",
        reason_message="fal refused the input: the lyrics were flagged by its content checker.",
        reason_whose=Whose.YOU,
        request_id="8f9f1a52-5a0c-4a39-9a51-6f0d2f8f8c11",
        raw_error='{"detail": [{"loc": ["body"], "msg": "flagged", "type": "content_policy_violation"}]}',
    )
    saving = _lay(person, State.INGESTING, "Handpan and cello for a rooftop in June", songs=2)
    for variation in (0, 1):
        factories.make_track(saving, variation=variation, state=TrackState.PENDING)
    _lay(person, State.RUNNING, "Brass band lullaby", songs=2, submit_started_at=now - timedelta(seconds=74))
    _lay(person, State.SUBMITTED, "Desert blues with a talking drum", submit_started_at=now - timedelta(seconds=4))
    _lay(person, State.QUEUED, "Choir of one voice, many rooms", songs=2)


def _lay(person: User, state: str, prompt: str, songs: int = 1, **fields: Any) -> Generation:
    recipe = {"prompt": prompt, "num_songs": songs, "seed": 7_310_579_183_204_417_733}
    return factories.make_generation(person=person, state=state, recipe=recipe, **fields)
