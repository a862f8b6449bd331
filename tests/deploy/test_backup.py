"""A backup that was restored holds what the studio held: rows, rules, books and files."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest

from neoapex.embedded.postgres import binary
from tests.deploy.composed import ROOT
from tests.docs.blocks import blocks_of
from tests.glacier import s3_url
from tests.journeys import prepared

__all__ = ["s3_url"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PAGE = ROOT / "docs" / "how-to" / "backup.md"
# The database's own words: what no dump of rows alone would bring back.
GUARDS = """
    SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION ALL
    SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace UNION ALL
    SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1
"""
MANAGE = f"{sys.executable} {ROOT / 'manage.py'}"
TIDY = ".venv/bin/python manage.py tidy_storage"
KEPT, BACKUP = "songs-kept", "songs-backup"
# Old enough to be compared with their files.
MAKE_SONGS = """
from datetime import timedelta
from django.utils import timezone
from studio.models import Track, User
from tests import factories
person = User.objects.get(email="demo@example.com")
for _ in range(3):
    factories.make_song(person=person)
Track.objects.update(ready_at=timezone.now() - timedelta(days=3))
"""


def contents(url: str) -> Iterator[str]:
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
        ).fetchall()
        for (name,) in names:
            [count] = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone() or (0,)  # noqa: S608
            yield f"{name}: {count}"
        for (name,) in connection.execute(GUARDS).fetchall():
            yield str(name)


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    """A studio's database, and an empty one."""
    server = os.environ["DATABASE_URL"]
    names = [f"backup_{secrets.token_hex(4)}" for _ in range(2)]
    urls = [urlsplit(server)._replace(path=f"/{name}").geturl() for name in names]
    prepared.fill(urls[0])
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{names[1]}"')
    yield urls[0], urls[1]
    with psycopg.connect(server, autocommit=True) as connection:
        for name in names:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def environment(database_url: str, home: Path) -> dict[str, str]:
    path = f"{binary('pg_dump').parent}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    return {
        **os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url,
        "NEOAPEX_HOME": str(home), "NEOAPEX_ENV": "embedded",
    }  # fmt: skip


def run_of(text: str, folder: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """A block of the page as it is written, in a folder of its own."""
    command = ["bash", "-euo", "pipefail", "-c", text.replace(".venv/bin/python manage.py", MANAGE)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


def run(text: str, folder: Path, env: dict[str, str]) -> str:
    done = run_of(text, folder, env)
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def blocks() -> list[str]:
    """Of the page, those that a test runs; fal's bill is compared where there is a fal, in the test of all commands."""
    texts = [block.text for block in blocks_of(PAGE, "sh") if block.name == "run"]
    return [re.sub(r"^.*reconcile_fal.*\n", "", text, flags=re.MULTILINE) for text in texts]


def test_what_was_dumped_comes_back_whole(pair: tuple[str, str], tmp_path: Path) -> None:
    ours, restored = pair
    env = environment(ours, tmp_path)
    run(f"{MANAGE} shell --no-imports -v 0 -c '{MAKE_SONGS}'", tmp_path, env)
    before = list(contents(ours))
    assert "ledger_entry: 0" not in before
    assert "studio_track: 6" in before
    dump, restore, look = blocks()
    for text in (dump, restore):
        run(text, tmp_path, {**env, "RESTORED_URL": restored})
    assert list(contents(restored)) == before
    looked = run_of(look, tmp_path, {**env, "RESTORED_URL": restored})
    assert "0 drifts" in looked.stdout
    assert "6 tracks without all of their files" in looked.stdout, "their files lie in no folder here"
    with psycopg.connect(restored) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("DELETE FROM ledger_entry")


def test_a_bucket_that_was_copied_back_is_found_whole(s3_url: str, pair: tuple[str, str], tmp_path: Path) -> None:
    """As `aws s3 sync` does it, key by key; the studio's own check compares rows and files."""
    client: Any = boto3.client(
        "s3", endpoint_url=s3_url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    for bucket in (KEPT, BACKUP):
        client.create_bucket(Bucket=bucket)
    env = environment(pair[0], tmp_path) | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    env |= {"AWS_STORAGE_BUCKET_NAME": KEPT, "AWS_S3_ENDPOINT_URL": s3_url}
    run(f"{MANAGE} shell --no-imports -v 0 -c '{MAKE_SONGS}'", tmp_path, env)
    for key in stored_keys(pair[0]):
        client.put_object(Bucket=KEPT, Key=key, Body=b"x" * 10)
    assert run_of(TIDY, tmp_path, env).returncode == 0
    copy(client, KEPT, BACKUP)
    for key in stored_keys(pair[0]):
        client.delete_object(Bucket=KEPT, Key=key)
    lost = run_of(TIDY, tmp_path, env)
    assert (lost.returncode, "6 tracks without all of their files" in lost.stdout) == (1, True)
    copy(client, BACKUP, KEPT)
    assert run_of(TIDY, tmp_path, env).returncode == 0
    client.close()


def stored_keys(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT master_key, preview_key, peaks_key FROM studio_track").fetchall()
    return [str(key) for row in rows for key in row if key]


def copy(client: Any, source: str, target: str) -> None:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=source):
        for found in page["Contents"]:
            where = {"Bucket": source, "Key": found["Key"]}
            client.copy_object(Bucket=target, Key=found["Key"], CopySource=where)
