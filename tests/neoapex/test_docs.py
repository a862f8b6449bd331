"""The API's own description: complete, and open to who has no token yet."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from django.test import Client

from neoapex import description
from neoapex.api import api
from studio import tokens
from studio.http_statuses import STATUSES
from studio.models import User
from tests.neoapex.addresses import operations


def described(client: Client) -> dict[str, Any]:
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    schema: dict[str, Any] = answer.json()
    return schema


def test_the_description_is_for_everybody_and_names_every_call(stranger: Client, db: None) -> None:
    """A program's author reads it before there is a token; it tells nothing of anybody."""
    schema = described(stranger)
    assert schema["openapi"].startswith("3.1")
    for path in (
        "/api/quotes", "/api/generations", "/api/generations/{generation_id}",
        "/api/generations/{generation_id}/cancel",
        "/api/tracks/{track_id}/preview", "/api/tracks/{track_id}/peaks", "/api/tracks/{track_id}/master", "/api/tags",
        "/api/credits/balance", "/api/ledger/entries",
    ):  # fmt: skip
        assert path in schema["paths"]


def test_every_call_has_a_name_of_its_own_a_summary_and_an_owner(stranger: Client, db: None) -> None:
    calls = [call for methods in described(stranger)["paths"].values() for call in methods.values()]
    names = [call["operationId"] for call in calls]
    assert len(set(names)) == len(names) == len(operations())
    assert all(call["summary"] for call in calls)
    assert all(call["security"] for call in calls)


def test_the_description_needs_no_person_s_data(stranger: Client, ada: User) -> None:
    tokens.create(ada, "x")
    assert ada.email not in json.dumps(api.get_openapi_schema())
    assert ada.email not in stranger.get("/api/docs").content.decode()


def test_the_description_says_what_to_send_for_a_song() -> None:
    paths = Client().get("/api/openapi.json").json()["paths"]
    for path in ("/api/quotes", "/api/generations"):
        sent = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert {"endpoint", "prompt", "tags", "lyrics", "vibe_strength", "seed", "num_songs"} <= sent.keys()
    headers = [parameter["name"] for parameter in paths["/api/generations"]["post"]["parameters"]]
    assert headers == ["Idempotency-Key"]


def test_every_call_names_what_the_api_answers_anywhere(stranger: Client, db: None) -> None:
    for path, methods in described(stranger)["paths"].items():
        for method, call in methods.items():
            assert {"401", "413", "429", "503"} <= call["responses"].keys(), path
            assert ("415" in call["responses"]) is (method != "get"), path
            refusals = [answer for status, answer in call["responses"].items() if int(status) >= 400]
            shapes = {str(answer["content"]["application/json"]["schema"]) for answer in refusals}
            assert shapes == {"{'$ref': '#/components/schemas/ErrorOut'}"}, path


def schemas_of(content: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    for kind in content.values():
        if kind["schema"].get("format") != "binary":
            yield kind["schema"], kind["example"]


def test_every_status_of_every_call_has_an_example_that_its_schema_takes(stranger: Client, db: None) -> None:
    schema = described(stranger)
    looked_at = 0
    for path, methods in schema["paths"].items():
        for method, call in methods.items():
            for status, answer in call["responses"].items():
                assert answer["description"]
                assert "content" in answer or status in {"204", "302", "304"}, (method, path, status)
                for of, example in schemas_of(answer.get("content", {})):
                    jsonschema_rs.validate(of | {"components": schema["components"]}, example)
                    looked_at += 1
    assert looked_at > 100


def test_every_status_that_an_error_can_have_is_described_with_a_code_of_its_own() -> None:
    assert set(STATUSES.values()) <= description.REFUSALS.keys()
    codes = {kind.code: status for kind, status in STATUSES.items() if hasattr(kind, "code")}
    known = {code: status for status, (code, *_) in description.REFUSALS.items() if code in codes}
    assert len(known) >= 6
    assert all(codes[code] == status for code, status in known.items())


def test_every_call_with_an_id_may_find_nothing_and_every_file_may_be_elsewhere(stranger: Client, db: None) -> None:
    for path, methods in described(stranger)["paths"].items():
        for call in methods.values():
            assert {"400", "403", "500"} <= call["responses"].keys()
            assert ("404" in call["responses"]) or "{" not in path
            assert ("302" in call["responses"]) is ("206" in call["responses"])


def test_every_post_that_costs_takes_an_idempotency_key_and_says_what_is_left(stranger: Client, db: None) -> None:
    posts = [call["post"] for call in described(stranger)["paths"].values() if "post" in call]
    costing = [call for call in posts if "402" in call["responses"]]
    assert costing
    for call in costing:
        assert "Idempotency-Key" in [parameter["name"] for parameter in call["parameters"]], call["operationId"]
        assert "RateLimit" in call["responses"]["429"]["headers"]
        assert "Retry-After" in call["responses"]["429"]["headers"]


def test_every_call_names_the_scope_that_a_token_needs(stranger: Client, db: None) -> None:
    for path, methods in described(stranger)["paths"].items():
        for method, call in methods.items():
            named = {name: scopes for way in call["security"] for name, scopes in way.items()}
            assert named["PersonalToken"], path
            assert (named["PersonalToken"] == ["read"]) is (method == "get" or path.endswith("/quotes"))
            assert named["Session"] == []


def test_what_the_domain_judges_is_described_all_the_same(stranger: Client, db: None) -> None:
    paths = described(stranger)["paths"]
    [key] = paths["/api/generations"]["post"]["parameters"]
    assert "255" in str(key["schema"])
    months = [
        parameter for parameter in paths["/api/ledger/entries"]["get"]["parameters"] if parameter["name"] == "month"
    ]
    assert "0[1-9]|1[0-2]" in str(months)
