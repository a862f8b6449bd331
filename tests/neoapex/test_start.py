"""Starting with a good and with a wrong environment: each mistake is one line that names its variable."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from neoapex import environment

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION: Mapping[str, str] = {
    "NEOAPEX_ENV": "production",
    "SECRET_KEY": "k" * 25 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": "studio.example.com",
    "NEOAPEX_PUBLIC_URL": "https://studio.example.com",
    "DATABASE_URL": "postgres://studio:hidden@127.0.0.1:1/studio",
    "REDIS_URL": "redis://:hidden@127.0.0.1:1/0",
    "EMAIL_URL": "smtp+tls://studio:hidden@127.0.0.1:587",
    "FAL_KEY": "id:hidden",
    "AWS_STORAGE_BUCKET_NAME": "songs",
}
EMBEDDED: Mapping[str, str] = {
    "DATABASE_URL": PRODUCTION["DATABASE_URL"],
    "REDIS_URL": PRODUCTION["REDIS_URL"],
}
# The answer of a settings module that could be read; nothing is connected to, and no more than the settings is loaded.
SHOW = "from django.conf import settings; print(repr({}))"
ROUTES = "__import__('django.urls').urls.get_resolver().reverse_dict.getlist('welcome')"


def run(environ: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return python(environ, "manage.py", *(command or ("check",)))


def python(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": os.environ["PATH"], "NEOAPEX_HOME": "/nonexistent/neoapex", "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, env=base | dict(environ), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def value_of(expression: str, environ: Mapping[str, str]) -> str:
    done = python({**environ, "DJANGO_SETTINGS_MODULE": "neoapex.settings"}, "-c", SHOW.format(expression))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def routes_of_links(environ: Mapping[str, str]) -> str:
    """With all of Django started, for the settings alone have no routes."""
    done = run(environ, "shell", "--no-imports", "-v", "0", "-c", f"print(len({ROUTES}))")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def assert_refused(done: subprocess.CompletedProcess[str], name: str) -> None:
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert name in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.slow
def test_a_whole_production_environment_passes_the_deployment_checks() -> None:
    done = run(PRODUCTION, "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_a_production_without_a_bucket_is_told_what_that_means() -> None:
    bucketless = {key: value for key, value in PRODUCTION.items() if key != "AWS_STORAGE_BUCKET_NAME"}
    done = run(bucketless, "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "studio.I001" in done.stderr
    assert "/nonexistent/neoapex/media" in done.stderr
    assert "AWS_STORAGE_BUCKET_NAME" in done.stderr


@pytest.mark.parametrize(
    "name", [name for name in PRODUCTION if name not in {"NEOAPEX_ENV", "AWS_STORAGE_BUCKET_NAME"}]
)
def test_production_does_not_start_without(name: str) -> None:
    assert_refused(run({key: value for key, value in PRODUCTION.items() if key != name}), name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NEOAPEX_ENV", "prod"),
        ("NEOAPEX_PUBLIC_URL", "http://studio.example.com"),
        ("NEOAPEX_FAL_QUEUE_URL", "http://127.0.0.1:9000"),
        ("NEOAPEX_FAL_JWKS_URL", "http://127.0.0.1:9000/jwks"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://studio:hidden@127.0.0.1/x"),
        ("DATABASE_URL", "postgres://studio:hidden@127.0.0.1:port/x"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("EMAIL_URL", "carrier-pigeon://hidden"),
        ("FAL_KEY_FILE", "/nonexistent/hidden-key"),
        ("NEOAPEX_MONTHLY_BUDGET", "ten"),
        ("NEOAPEX_FAL_SLOTS", "0"),
        ("NEOAPEX_USER_RATE", "fast"),
        ("NEOAPEX_ORG_RATE", "30/minute;5/second"),
        ("NEOAPEX_ADDRESS_RATE", "0/minute"),
        ("NEOAPEX_BREAKER_FAILURES", "0"),
        ("NEOAPEX_BREAKER_SECONDS", "soon"),
        ("NEOAPEX_WEB_THREADS", "many"),
        ("NEOAPEX_SIGNUP", "maybe"),
        ("NEOAPEX_MEDIA_MAX_SECONDS", "0"),
        ("AWS_S3_ENDPOINT_URL", "s3.example.com"),
        ("AWS_S3_ENDPOINT_URL", "https://hidden:hidden@s3.example.com"),
        ("AWS_S3_PUBLIC_ENDPOINT_URL", "ftp://s3.example.com"),
        ("AWS_S3_ADDRESSING_STYLE", "any"),
        ("AWS_S3_ENCRYPTION", "rot13"),
        ("NEOAPEX_WEBHOOK_SCHEME", "none"),
        ("NEOAPEX_WEBHOOK_ADDRESSES", "on"),
    ],
)
def test_production_does_not_start_with_a_wrong(name: str, value: str) -> None:
    without = {key: text for key, text in PRODUCTION.items() if f"{key}_FILE" != name}
    assert_refused(run(without | {name: value}), name)


@pytest.mark.slow
def test_production_is_closed_where_embedded_is_open(tmp_path: Path) -> None:
    told = value_of(
        "[settings.NEOAPEX_SIGNUP, settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, settings.DEBUG,"
        " 'sesame.backends.ModelBackend' in settings.AUTHENTICATION_BACKENDS, settings.ACCOUNT_EMAIL_VERIFICATION]",
        PRODUCTION,
    )
    assert told == "[False, True, True, False, False, 'mandatory']"
    assert (routes_of_links(PRODUCTION), routes_of_links(EMBEDDED)) == ("0", "1")


@pytest.mark.slow
def test_demo_accounts_are_not_made_in_production() -> None:
    done = run(PRODUCTION, "seed_demo", "--print-links")
    assert done.returncode != 0
    assert "embedded mode only" in done.stderr


@pytest.mark.slow
def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    secrets = {"FAL_KEY": "id:from a file", "SECRET_KEY": "$" + "x" * 60, "DATABASE_URL": "postgres://a:b@db/c"}
    given = {key: value for key, value in PRODUCTION.items() if key not in secrets}
    for name, value in secrets.items():
        (tmp_path / name).write_text(f"{value}\n")
        given[f"{name}_FILE"] = str(tmp_path / name)
    told = value_of("[settings.FAL_KEY, settings.SECRET_KEY, settings.DATABASES['default']['HOST']]", given)
    assert told == repr(["id:from a file", "$" + "x" * 60, "db"])


@pytest.mark.parametrize("url", ["http://192.0.2.1:8000", "http://studio.example.com", "ftp://127.0.0.1", "127.0.0.1"])
def test_embedded_mode_takes_http_on_this_machine_only(url: str) -> None:
    assert_refused(run({**EMBEDDED, "NEOAPEX_PUBLIC_URL": url}), "NEOAPEX_PUBLIC_URL")


def test_the_scheme_of_relays_does_not_start_without_its_secret() -> None:
    assert_refused(run({**PRODUCTION, "NEOAPEX_WEBHOOK_SCHEME": "hmac"}), "NEOAPEX_WEBHOOK_SECRET")
    keyless = {**EMBEDDED, "NEOAPEX_WEBHOOK_SCHEME": "hmac", "NEOAPEX_WEBHOOK_SECRET": "@FAL_KEY"}
    assert_refused(run(keyless), "FAL_KEY")


@pytest.mark.slow
def test_the_secret_of_relays_is_read_from_a_variable_a_file_or_the_fal_key(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    hmac = {**PRODUCTION, "NEOAPEX_WEBHOOK_SCHEME": "hmac"}
    told = [
        value_of("settings.NEOAPEX_WEBHOOK_SECRET", hmac | given)
        for given in (
            {"NEOAPEX_WEBHOOK_SECRET": "plain"},
            {"NEOAPEX_WEBHOOK_SECRET_FILE": str(tmp_path / "secret")},
            {"NEOAPEX_WEBHOOK_SECRET": "@FAL_KEY"},
        )
    ]
    assert told == ["'plain'", "'from a file'", "'id:hidden'"]
    assert value_of("settings.NEOAPEX_WEBHOOK_SECRET", {**PRODUCTION, "NEOAPEX_WEBHOOK_SECRET": "unused"}) == "''"


@pytest.mark.slow
def test_no_two_embedded_processes_share_a_key_that_a_stranger_could_know() -> None:
    first, second = (value_of("settings.SECRET_KEY", EMBEDDED) for _ in range(2))
    assert first != second
    assert len(first) > 50


def test_a_command_without_a_studio_says_how_to_start_one() -> None:
    done = run({})
    assert_refused(done, "DATABASE_URL")
    assert "make studio" in done.stderr


@pytest.mark.parametrize(
    ("value", "micros"), [("0", 0), ("10", 10_000_000), ("10.5", 10_500_000), ("0.000001", 1), (" 7.25 ", 7_250_000)]
)
def test_dollars_are_read_exactly(monkeypatch: pytest.MonkeyPatch, value: str, micros: int) -> None:
    monkeypatch.setenv("NEOAPEX_MONTHLY_BUDGET", value)
    assert environment.dollars_as_micros("NEOAPEX_MONTHLY_BUDGET", "1") == micros


@pytest.mark.parametrize("value", ["-1", "1e3", "1,5", "1.0000001", "٣", "NaN", ".5", "1 0", "9" * 10])
def test_what_is_no_amount_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NEOAPEX_MONTHLY_BUDGET", value)
    with pytest.raises(ImproperlyConfigured, match="NEOAPEX_MONTHLY_BUDGET"):
        environment.dollars_as_micros("NEOAPEX_MONTHLY_BUDGET", "1")


@pytest.mark.parametrize(
    "value",
    [
        "https://",
        "https://u:p@host",
        "https://host?x=1",
        "https://host#x",
        "https://[::1",
        "https://host:99999",
        "x",
        "//host",
    ],
)
def test_what_is_no_base_url_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NEOAPEX_PUBLIC_URL", value)
    with pytest.raises(ImproperlyConfigured, match="NEOAPEX_PUBLIC_URL"):
        environment.url("NEOAPEX_PUBLIC_URL", "", embedded=True)


def test_a_base_url_loses_its_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOAPEX_PUBLIC_URL", "https://host/")
    assert environment.url("NEOAPEX_PUBLIC_URL", "", embedded=False) == "https://host"


@pytest.mark.parametrize(
    ("value", "amount", "seconds"),
    [("30/minute", 30, 60), ("200 per day", 200, 86_400), ("5/2hours", 5, 7200), ("1/second", 1, 1)],
)
def test_a_rate_is_so_many_in_so_long(monkeypatch: pytest.MonkeyPatch, value: str, amount: int, seconds: int) -> None:
    monkeypatch.setenv("NEOAPEX_USER_RATE", value)
    rate = environment.rate("NEOAPEX_USER_RATE", "30/minute")
    assert rate is not None
    assert (rate.amount, rate.get_expiry()) == (amount, seconds)


def test_a_rate_may_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOAPEX_USER_RATE", "off")
    assert environment.rate("NEOAPEX_USER_RATE", "30/minute") is None


@pytest.mark.parametrize(
    "value", ["on", "30", "30/fortnight", "-1/minute", "0/minute", "1/second, 9/minute", "1.5/day"]
)
def test_what_is_no_rate_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NEOAPEX_USER_RATE", value)
    with pytest.raises(ImproperlyConfigured, match="NEOAPEX_USER_RATE must be off or a rate"):
        environment.rate("NEOAPEX_USER_RATE", "30/minute")


@pytest.mark.slow
def test_strangers_are_counted_in_production_and_not_on_a_laptop() -> None:
    told = "[str(settings.NEOAPEX_USER_RATE), settings.NEOAPEX_ORG_RATE, str(settings.NEOAPEX_ADDRESS_RATE)]"
    assert value_of(told, PRODUCTION) == "['30 per 1 minute', None, '120 per 1 minute']"
    assert value_of(told, EMBEDDED) == "['30 per 1 minute', None, 'None']"


# --- The bucket ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        (("", "", "us-east-1", "auto"), []),
        (("songs", "https://media.example.com", "us-east-1", "auto"), ["https://media.example.com"]),
        (("songs", "https://media.example.com", "us-east-1", "virtual"), ["https://songs.media.example.com"]),
        (("songs", "http://127.0.0.1:9000/", "us-east-1", "path"), ["http://127.0.0.1:9000"]),
    ],
)
def test_pages_may_play_from_the_bucket_and_nowhere_else(given: tuple[str, str, str, str], origins: list[str]) -> None:
    assert environment.bucket_origins(*given) == origins


def test_pages_may_play_from_amazon_where_the_bucket_is_there() -> None:
    origins = environment.bucket_origins("songs", "", "eu-central-1", "auto")
    assert "https://songs.s3.eu-central-1.amazonaws.com" in origins
    assert all(origin.endswith("amazonaws.com") for origin in origins)


@pytest.mark.slow
def test_the_keys_of_the_bucket_are_read_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("the-id\n")
    (tmp_path / "secret").write_text("the-secret\n")
    files = {"AWS_ACCESS_KEY_ID_FILE": "id", "AWS_SECRET_ACCESS_KEY_FILE": "secret"}
    given = {**PRODUCTION} | {name: str(tmp_path / file) for name, file in files.items()}
    options = value_of("settings.STORAGES['default']['OPTIONS']", given)
    assert "'access_key': 'the-id'" in options
    assert "'secret_key': 'the-secret'" in options


# --- .env.example ----------------------------------------------------------------------------------------------------

PRICES = "COLD=0.0036,WARM=0.03+0.01"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", {"COLD": (3_600,), "WARM": (30_000, 10_000)}),
        ("WARM=1+0", {"COLD": (3_600,), "WARM": (1_000_000, 0)}),
        (" COLD = 0.004 , WARM=0.1+0.2", {"COLD": (4_000,), "WARM": (100_000, 200_000)}),
    ],
)
def test_prices_are_read_to_the_millionth(
    monkeypatch: pytest.MonkeyPatch, given: str, read: dict[str, tuple[int, ...]]
) -> None:
    monkeypatch.setenv("NEOAPEX_STORAGE_PRICES", given)
    assert environment.prices("NEOAPEX_STORAGE_PRICES", PRICES) == read


@pytest.mark.parametrize(
    "given", ["x", "COLD", "COLD=", "COLD=-1", "COLD=1+2", "WARM=1", "HOT=1", "COLD=1e3", "COLD=1,"]
)
def test_a_price_that_can_t_be_read_is_named(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("NEOAPEX_STORAGE_PRICES", given)
    with pytest.raises(ImproperlyConfigured, match="NEOAPEX_STORAGE_PRICES"):
        environment.prices("NEOAPEX_STORAGE_PRICES", PRICES)


READING = re.compile(
    r"""\b(?:read\.)?(?:text|url|whole_number|days_or_off|one_of|switch|names|networks|rate|prices|dollars_as_micros"""
    r"""|redis_url|webhook_secret)\(\s*"([A-Z0-9_]+)\""""
)
LISTED = re.compile(r"^#? ?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
RECORD = """
import json, sys
from neoapex import environment
seen, text = [], environment.text
def recorded(name, *rest, **more):
    seen.append(name)
    return text(name, *rest, **more)
environment.text = recorded
from neoapex import settings
json.dump(seen, sys.stdout)
"""


def variables_read() -> set[str]:
    """By running the settings, and by their text for what only one mode reads."""
    done = subprocess.run(
        [sys.executable, "-c", RECORD], cwd=ROOT, env={"PATH": os.environ["PATH"], **PRODUCTION},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    ran = set(re.findall(r'"([A-Z_]+)"', done.stdout))
    written = set(READING.findall((ROOT / "neoapex" / "settings.py").read_text()))
    assert ran <= written, "the settings read what this test does not see"
    return ran | written


def test_the_example_lists_what_the_settings_read_and_nothing_else() -> None:
    example = (ROOT / ".env.example").read_text()
    assert set(LISTED.findall(example)) == variables_read()


def test_every_variable_of_the_example_is_explained() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if LISTED.match(line):
            assert before.startswith("# "), line
            assert not LISTED.match(before), f"{line} shares the line above with another"


def test_the_example_holds_no_secret_and_starts_nothing_by_itself() -> None:
    example = (ROOT / ".env.example").read_text()
    for name in ("SECRET_KEY", "FAL_KEY"):
        assert re.search(rf"^{name}=$", example, re.MULTILINE)
