"""Commands that a loaded process runs end as those of a new process do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.commands import ROOT, Commands

pytestmark = pytest.mark.slow

SAYS = "import sys; print('told'); print('aside', file=sys.stderr); sys.exit({})"
SHELL = ("shell", "--no-imports", "-v", "0", "-c")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    started = Commands(os.environ, tmp_path_factory.mktemp("commands") / "log")
    yield started
    started.close()


@pytest.mark.parametrize(
    "arguments",
    [
        (*SHELL, SAYS.format("")),
        (*SHELL, SAYS.format("3")),
        (*SHELL, SAYS.format("'last words'")),
        (*SHELL, "import os; print('lost with it'); os.kill(os.getpid(), 9)"),
        ("no_such_command",),
        ("create_token",),
    ],
    ids=["well", "with a code", "with words", "killed", "unknown", "without an argument"],
)
def test_a_command_ends_as_in_a_process_of_its_own(commands: Commands, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "manage.py", *arguments]
    alone = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=False)
    assert commands.run(*arguments) == (alone.returncode, alone.stdout, alone.stderr)


def test_an_error_is_a_traceback_and_code_1(commands: Commands) -> None:
    code, output, errors = commands.run(*SHELL, "1 / 0")
    assert (code, output) == (1, "")
    assert errors.rstrip().endswith("ZeroDivisionError: division by zero")


def test_what_one_command_changes_in_its_process_the_next_does_not_see(commands: Commands, tmp_path: Path) -> None:
    mark = "from django.conf import settings; settings.MARK = 1; import os; os.environ['MARK'] = '1'"
    assert commands.run(*SHELL, mark)[0] == 0
    look = "from django.conf import settings; import os; print(hasattr(settings, 'MARK'), 'MARK' in os.environ)"
    assert commands.run(*SHELL, look) == (0, "False False\n", "")
