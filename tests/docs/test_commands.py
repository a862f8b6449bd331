"""Every command of the documentation is run as it is written, or stands in the list of those that can't be."""

import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from neoapex.embedded.postgres import binary
from tests.deploy import composed
from tests.docs.blocks import DOCS, ROOT, Block, blocks_of, pages
from tests.journeys.stack import RunningStudio, running_studio, wait_for

BLOCKS = [block for page in pages() for block in blocks_of(page, "sh", "console", "bash", "shell")]
BY_HAND = [block for block in BLOCKS if block.name.startswith("by-hand ")]
RUN = [block for block in BLOCKS if block.name == "run"]
_ROW = re.compile(
    r"^\| \[`(?P<name>[a-z-]+)`\]\((?P<page>[\w./-]+)\) \| (?P<why>.+?) \| (?P<how>.+?) \|$", re.MULTILINE
)


def listed() -> dict[str, str]:
    """The page of each command that no test runs."""
    return {row["name"]: row["page"] for row in _ROW.finditer((DOCS / "README.md").read_text())}


def test_every_block_of_commands_is_run_or_says_by_which_name_it_is_listed() -> None:
    assert [block.place for block in BLOCKS if block not in RUN and block not in BY_HAND] == []
    assert len(RUN) > 10


def test_the_list_names_just_those_that_no_test_runs() -> None:
    there = {block.name.removeprefix("by-hand "): str(block.path.relative_to(DOCS)) for block in BY_HAND}
    assert there == listed()
    assert len(there) == len(BY_HAND)


@pytest.mark.parametrize("block", BY_HAND, ids=lambda block: block.name.removeprefix("by-hand "))
def test_what_no_test_runs_is_at_least_what_a_shell_understands(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=10, check=False)
    assert done.stderr == ""


def test_every_service_that_a_command_names_is_one() -> None:
    text = "\n".join(block.text for block in BLOCKS)
    named = set(re.findall(r"docker compose (?:run --rm|exec -T) ([a-z]+)", text))
    named |= set(re.findall(r"--scale ([a-z]+)=", "\n".join(page.read_text() for page in pages())))
    for names in re.findall(r"docker compose up --detach ([a-z ]+)$", text, re.MULTILINE):
        named |= set(names.split())
    assert named >= {"web", "migrate", "postgres", "store"}
    assert named <= composed.services().keys()


def test_every_command_of_ours_that_a_page_names_is_there() -> None:
    text = "\n".join(page.read_text() for page in [*pages(), ROOT / "README.md"])
    named = set(re.findall(r"manage\.py ([a-z_]+)", text))
    django = {"migrate", "createsuperuser"}
    ours = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    assert named - django - ours == set()


def test_every_link_between_the_pages_leads_somewhere() -> None:
    for page in pages():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).resolve().exists(), f"{page.name}: {target}"


def test_the_map_shows_every_page() -> None:
    shown = re.findall(r"\]\(([\w./-]+\.md)\)", (DOCS / "README.md").read_text())
    assert {str(page.relative_to(DOCS)) for page in pages()} - {"README.md"} <= set(shown)


# --- Running them ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio() as running:
        yield running


@pytest.fixture(scope="module")
def desk(studio: RunningStudio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the clone, where commands may leave their files."""
    folder = tmp_path_factory.mktemp("desk")
    for name in (".venv", "manage.py", "deploy"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture
def empty_database() -> Iterator[str]:
    server, name = os.environ["DATABASE_URL"], f"restored_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", sorted({block.path for block in RUN}), ids=lambda page: page.stem)
def test_the_commands_of_a_page_work_one_after_the_other(
    studio: RunningStudio, desk: Path, empty_database: str, page: Path
) -> None:
    path = f"{binary('pg_dump').parent}:{os.environ['PATH']}"
    env = {
        **studio.environment,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "STUDIO": studio.url,
        "RESTORED_URL": empty_database,
    }
    for block in (one for one in RUN if one.path == page):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text], cwd=desk, env=env, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.place}\n{block.text}\n{done.stdout}\n{done.stderr}"
        wait_for(lambda: unfinished(studio) == 0, 60, lambda: studio.log("worker")[-2000:])


def unfinished(studio: RunningStudio) -> int:
    code = (
        "from studio.models import Generation;"
        "print(Generation.objects.exclude(state__in=['READY', 'FAILED', 'CANCELLED']).count())"
    )
    return int(studio.shell(code))
