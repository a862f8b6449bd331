"""Personal tokens: shown once, kept as a hash, and worth nothing once revoked."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import tokens
from studio.errors import InvalidInput, NotFound
from studio.models import AccessToken, User


def test_a_token_opens_the_way_for_its_person_and_is_kept_as_a_hash_alone(ada: User, bo: User) -> None:
    token, raw = tokens.create(ada, " my laptop ")
    tokens.create(bo, "another")
    assert tokens.person_of(raw) == ada
    assert (token.name, token.digest) == ("my laptop", hashlib.sha256(raw.encode()).hexdigest())
    assert raw not in str(list(AccessToken.objects.values()))
    assert raw.startswith(token.hint)
    assert len(raw) - len(token.hint) > 30


def test_no_two_tokens_are_alike(ada: User) -> None:
    assert len({tokens.create(ada, "x")[1] for _ in range(5)}) == 5


@pytest.mark.parametrize("raw", ["", "nxa_", "nxa_wrong", "x" * 43, "nxa_" + "é" * 10, "nxa_\ud800", "nxa_\0"])
def test_what_is_no_token_is_nobodys(ada: User, raw: str) -> None:
    tokens.create(ada, "x")
    assert tokens.person_of(raw) is None


def test_a_token_is_not_known_by_a_part_or_in_another_case(ada: User) -> None:
    _, raw = tokens.create(ada, "x")
    assert [tokens.person_of(near) for near in (raw[:-1], raw + "a", raw.swapcase(), f" {raw}", raw * 3)] == [None] * 5


def test_a_revoked_token_is_nobodys_at_once(ada: User) -> None:
    token, raw = tokens.create(ada, "x")
    tokens.revoke(ada, token.pk)
    assert tokens.person_of(raw) is None
    with pytest.raises(NotFound):
        tokens.revoke(ada, token.pk)


def test_another_persons_token_can_not_be_revoked(ada: User, bo: User) -> None:
    token, raw = tokens.create(ada, "x")
    with pytest.raises(NotFound):
        tokens.revoke(bo, token.pk)
    assert tokens.person_of(raw) == ada


def test_a_deactivated_persons_token_opens_nothing(ada: User) -> None:
    _, raw = tokens.create(ada, "x")
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert tokens.person_of(raw) is None


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\0b"])
def test_a_token_needs_a_name_that_can_be_kept(ada: User, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        tokens.create(ada, name)
    assert caught.value.problems[0].field == "name"
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(("age_seconds", "touched"), [(None, True), (59, False), (61, True)])
def test_the_last_use_is_written_once_a_minute(ada: User, age_seconds: int | None, touched: bool) -> None:
    token, raw = tokens.create(ada, "x")
    before = None if age_seconds is None else timezone.now() - timedelta(seconds=age_seconds)
    AccessToken.objects.filter(pk=token.pk).update(last_used_at=before)
    tokens.person_of(raw)
    token.refresh_from_db()
    assert (token.last_used_at != before) is touched
