"""What people and programs send by mistake or on purpose: a clear answer, nothing written, nothing held."""

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import operations as ledger
from ledger.errors import LedgerBusy
from ledger.models import Quota
from studio.models import IdempotencyKey, User
from tests.neoapex.shapes import assert_structured
from tests.studio.people import nothing_was_written

GOOD: dict[str, Any] = {"prompt": "a calm piano piece at night"}
ADDRESSES = ("/api/quotes", "/api/generations")


def post(client: Client, body: object, path: str = "/api/generations", **headers: str) -> Any:
    raw = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post(path, raw, content_type="application/json", headers=headers or None)


def assert_refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    body = assert_structured(answer, status, code)
    assert nothing_was_written()
    assert not IdempotencyKey.objects.exists()
    return body


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({}, "needs_input"),
        ({"prompt": ""}, "needs_input"),
        ({"prompt": " \n\t"}, "needs_input"),
        ({"prompt": None, "tags": [], "lyrics": None}, "needs_input"),
        ({"prompt": "x" * 2001}, "too_long"),
        ({"lyrics": "la"}, "lyrics_alone"),
        ({"tags": ["pop"]}, "tags_alone"),
        ({"prompt": "x", "tags": ["pop"], "lyrics": "la"}, "too_many_inputs"),
        ({"prompt": "x", "tags": ["pop"], "lyrics": ""}, "too_many_inputs"),
        (GOOD | {"num_songs": 0}, None),
        (GOOD | {"num_songs": 3}, None),
        (GOOD | {"num_songs": True}, None),
        (GOOD | {"num_songs": 1.0}, None),
        (GOOD | {"num_songs": "1"}, None),
        (GOOD | {"num_songs": [1]}, None),
        (GOOD | {"vibe_strength": 9}, "out_of_range"),
        (GOOD | {"vibe_strength": 1}, "out_of_range"),
        (GOOD | {"vibe_strength": 10**400}, None),
        (GOOD | {"vibe_strength": "2.0"}, None),
        (GOOD | {"balance_strength": -0.1}, "out_of_range"),
        (GOOD | {"bpm": 19}, "bad_bpm"),
        (GOOD | {"bpm": 120.0}, "bad_bpm"),
        (GOOD | {"volume": 11}, "unknown_field"),
        (GOOD | {"model": "v1", "api_key": "x"}, None),
        (GOOD | {"\ud800": 1}, "forbidden_character"),
        (GOOD | {"seed": 2**63}, "bad_seed"),
        (GOOD | {"seed": -(2**63) - 1}, "bad_seed"),
        (GOOD | {"seed": 1.0}, "bad_seed"),
        (GOOD | {"seed": "9" * 40}, "bad_seed"),
        (GOOD | {"seed": "٣"}, "bad_seed"),
        (GOOD | {"seed": True}, "bad_seed"),
        ({"prompt": "a\0b"}, "forbidden_character"),
        ({"prompt": "a\x1bb"}, "forbidden_character"),
        ({"prompt": "a\ud83dz"}, "forbidden_character"),
        ({"prompt": 7}, None),
        ({"prompt": ["x"]}, None),
        ({"tags": "pop", "lyrics": "la"}, None),
        ({"tags": ["x" * 101], "lyrics": "la"}, "too_long"),
        ({"tags": [f"tag {n}" for n in range(51)], "lyrics": "la"}, "too_many_tags"),
        ({"tags": ["pop"], "lyrics": "x" * 10_001}, "too_long"),
        (GOOD | {"output_format": "exe"}, "not_offered"),
        (GOOD | {"output_format": "wav", "output_bit_rate": 128}, "bit_rate_not_allowed"),
        (GOOD | {"endpoint": "sonauto/v1"}, "unknown_endpoint"),
        (GOOD | {"endpoint": "\0"}, "unknown_endpoint"),
        (GOOD | {"endpoint": ["text-to-music"]}, "invalid_endpoint"),
        (GOOD | {"endpoint": None}, "invalid_endpoint"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_wrong_input_is_refused_with_a_hint_and_nothing_is_held(
    program: Client, inputs: dict[str, Any], code: str | None
) -> None:
    body = assert_structured(post(program, inputs), 422)
    assert code in {None, body["code"]}, body
    assert nothing_was_written()
    for problem in body.get("problems", []):
        assert problem["message"]
        assert problem["hint"]
    quote = post(program, inputs, "/api/quotes")
    if quote.status_code == 200:
        assert [reason["code"] for reason in quote.json()["reasons"]] == [
            problem["code"] for problem in body.get("problems", [{"code": body["code"]}])
        ]
        assert nothing_was_written()
    else:
        assert_refused(quote, 422, body["code"])


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize(
    "raw",
    [
        b" ", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe\xfd", b'{"prompt": "\xff"}', b"{'prompt': 'x'}",
        b'{"prompt": "a", "prompt": "b"}', b'{"prompt": "x", "tags": [{"a": 1, "a": 2}]}',
        b'{"seed": ' + b"9" * 5000 + b"}", b'{"a":' * 20_000 + b"1" + b"}" * 20_000, b"[" * 100_000,
        b'{"prompt": "x"} {"prompt": "y"}', b"prompt=x",
    ],
    ids=lambda raw: repr(raw[:30]),
)  # fmt: skip
def test_broken_json_is_named_as_such(program: Client, path: str, raw: bytes) -> None:
    assert_refused(post(program, raw, path), 422, "invalid_json")


@pytest.mark.parametrize("name", ["vibe_strength", "num_songs", "seed", "prompt", "bpm", "tags"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(program: Client, name: str, value: str) -> None:
    answer = post(program, f'{{"prompt": "x", "{name}": {value}}}' if name != "prompt" else f'{{"prompt": {value}}}')
    assert_structured(answer, 422)
    assert nothing_was_written()


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize("content_type", ["text/plain", "", "multipart/form-data; boundary=x", "application/jsonx"])
def test_another_content_type_is_refused(program: Client, path: str, content_type: str) -> None:
    answer = program.generic("POST", path, json.dumps(GOOD), content_type=content_type)
    assert_refused(answer, 415, "unsupported_media_type")


def test_a_charset_and_a_byte_order_mark_do_no_harm(program: Client) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(GOOD).encode()
    answer = program.generic("POST", "/api/quotes", raw, content_type="application/json; charset=UTF-8")
    assert answer.status_code == 200


def test_a_form_is_not_taken_for_json(program: Client) -> None:
    assert_refused(program.post("/api/generations", GOOD), 415, "unsupported_media_type")


@pytest.mark.parametrize("path", [*ADDRESSES, "/generations/", "/accounts/login/", "/quote/"])
def test_ten_megabytes_are_too_large_for_every_address(program: Client, path: str) -> None:
    answer = post(program, {"prompt": "x" * 10_000_000}, path)
    assert_refused(answer, 413, "too_large")


def test_an_uploaded_file_is_too_large_before_it_reaches_the_disk(stranger: Client, db: None) -> None:
    answer = stranger.generic(
        "POST", "/accounts/login/", b"x" * 300_000, content_type="multipart/form-data; boundary=x"
    )
    assert_refused(answer, 413, "too_large")


@pytest.mark.parametrize(
    "text", ["🎹🌧️ 夜のピアノ", "مرحبا بالعالم \u202eabc", "a\u0301 e\u0301", "<script>alert(1)</script>"]
)
def test_emoji_and_right_to_left_text_come_back_as_they_went(program: Client, text: str) -> None:
    answer = post(program, {"prompt": text})
    assert answer.status_code == 201
    assert answer.json()["recipe"]["prompt"] == text


@pytest.mark.parametrize("seed", [-(2**63), 2**63 - 1, str(2**63 - 1), 0])
def test_a_seed_at_the_edge_of_64_bit_is_kept_exactly(program: Client, seed: int | str) -> None:
    answer = post(program, GOOD | {"seed": seed})
    assert answer.status_code == 201
    assert answer.json()["seed"] == answer.json()["recipe"]["seed"] == str(seed)


@pytest.mark.parametrize("key", ["", "a" * 256, "é", "\xff", "a\tb"])
def test_a_bad_idempotency_key_is_refused(program: Client, key: str) -> None:
    assert_refused(post(program, GOOD, **{"Idempotency-Key": key}), 422, "invalid_idempotency_key")


def test_the_same_key_gives_the_same_song_and_another_body_a_conflict(program: Client) -> None:
    first, second = (post(program, GOOD, **{"Idempotency-Key": "k 1"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert_structured(post(program, {"prompt": "y"}, **{"Idempotency-Key": "k 1"}), 409, "idempotency_conflict")


def test_without_budget_nothing_starts(program: Client, ada: User) -> None:
    Quota.objects.create(person=ada, monthly_micros=74_999)
    body = assert_refused(post(program, GOOD), 402, "insufficient_budget")
    assert "0.07" in body["message"]
    quote = post(program, GOOD, "/api/quotes").json()
    assert [reason["code"] for reason in quote["reasons"]] == ["insufficient_budget"]


def test_a_frozen_budget_starts_nothing(program: Client, ada: User) -> None:
    Quota.objects.create(person=ada, monthly_micros=10_000_000, frozen=True)
    assert_refused(post(program, GOOD), 403, "budget_frozen")


def test_more_waiting_songs_than_allowed_say_when_to_come_again(program: Client, settings: Any) -> None:
    settings.NEOAPEX_USER_WAITING = 1
    assert post(program, GOOD).status_code == 201
    assert_structured(post(program, GOOD), 429, "too_many_waiting")


def test_a_busy_ledger_says_when_to_come_again(program: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(**_: object) -> None:
        raise LedgerBusy

    monkeypatch.setattr(ledger, "hold", busy)
    assert_refused(post(program, GOOD), 503, "ledger_busy")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=-1", "limit=1e9", "limit=x", "limit=", "limit=99999999999999999999999999",
        "state=SLEEPING", "state=%00", "state=ready",
    ],
)  # fmt: skip
def test_a_rubbish_parameter_is_named(program: Client, query: str) -> None:
    body = assert_structured(program.get(f"/api/generations?{query}"), 422, "invalid_input")
    assert body["problems"][0]["field"].endswith(query.partition("=")[0])


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "~", "%00", "%ff%fe", "2026-01-01~x", "2026-01-01T00:00:00~11111111-1111-1111-1111-111111111111",
        "0001-01-01T00:00:00%2B23:59~11111111-1111-1111-1111-111111111111",
        "9999-12-31T23:59:59-23:59~11111111-1111-1111-1111-111111111111",
        "2026-01-01T00:00:00%2B00:00:30.5~11111111-1111-1111-1111-111111111111", "a" * 9000,
    ],
    ids=lambda cursor: cursor[:30],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/generations?cursor=", "/?before="])
def test_a_rubbish_cursor_is_no_server_error(program: Client, browser: Client, path: str, cursor: str) -> None:
    client = program if path.startswith("/api") else browser
    assert client.get(path + cursor).status_code in {200, 422}


@pytest.mark.parametrize("query", ["month=x", "month=%00", "month=2026-13", "cursor=0", "cursor=9223372036854775808"])
def test_a_rubbish_statement_is_refused(program: Client, query: str) -> None:
    assert_structured(program.get(f"/api/ledger/entries?{query}"), 422)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["prompt", "tags", "lyrics", "seed", "num_songs", "bpm", "vibe_strength", "endpoint", "output_format"]
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON | st.dictionaries(NAMES, JSON))
def test_no_json_whatever_breaks_the_quote(program: Client, body: object) -> None:
    answer = post(program, json.dumps(body), "/api/quotes")
    if answer.status_code != 200:
        assert_structured(answer, 422)
    assert nothing_was_written()
