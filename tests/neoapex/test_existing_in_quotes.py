"""A quote names what is there already; a POST is never answered with it."""

from django.test import Client

from studio.models import Generation, User
from studio.states import GenerationState as State
from tests import factories

SONG = {"tags": ["fado"], "lyrics": "", "seed": "-9223372036854775808"}


def test_a_quote_names_existing_tracks_and_a_post_makes_a_new_song(program: Client, ada: User) -> None:
    def post(path: str) -> dict[str, object]:
        answer: dict[str, object] = program.post(path, SONG, content_type="application/json").json()
        return answer

    assert post("/api/quotes")["existing"] == []
    first = post("/api/generations")
    assert post("/api/quotes")["existing"] == []
    Generation.objects.update(state=State.READY, finished_at="2026-05-03T10:00Z")
    track = factories.make_track(Generation.objects.get())
    quote = post("/api/quotes")
    assert [found["id"] for found in quote["existing"]] == [str(track.pk)]  # type: ignore[attr-defined]
    assert quote["existing"][0]["preview_url"] == f"/api/tracks/{track.pk}/preview"  # type: ignore[index]
    assert quote["reasons"] == []
    assert post("/api/generations")["id"] != first["id"]
