"""Retouches as an admin sees them: what was judged how, and nothing to be changed."""

from django.test import Client
from django.urls import reverse

from studio.models import Track, User
from tests.retouch.scenes import begun, delivered, last_take, retried


def test_an_admin_sees_takes_and_verdicts_and_changes_none(client: Client, ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    delivered(last_take(retouch))
    retried(ada, retouch, "GLITCH")
    boss = User.objects.create_superuser("boss@example.com")
    client.force_login(boss, "allauth.account.auth_backends.AuthenticationBackend")
    page = client.get(reverse("admin:studio_retouch_changelist")).content.decode()
    assert "8–12 s" in page
    address = reverse("admin:studio_retouch_change", args=[retouch.pk])
    page = client.get(address).content.decode()
    assert "Glitch" in page
    assert 'type="submit" value="Save"' not in page
    assert client.post(address, {"state": "ABANDONED"}).status_code == 403
    assert client.get(reverse("admin:studio_retouch_add")).status_code == 403
    retouch.refresh_from_db()
    assert retouch.state == "OPEN"
