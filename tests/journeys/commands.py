"""Management commands of one studio, each in a fork of a process that is loaded once: loading takes most of their time.

One command a line on standard input, as JSON; for each, its exit code and what it wrote on standard output, as JSON.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 120


class Commands:
    """The loaded process as a test sees it."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._one_at_a_time = threading.Lock()
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.journeys.commands"],
                cwd=ROOT,
                env={**environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, standard output and standard error of `manage.py` with these arguments."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(arguments) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, f"the loaded process died: {self._log.read_text()[-2000:]}"
        code, output, errors = json.loads(answer)
        return code, output, errors

    def close(self) -> None:
        """The end of its input is the end of its work."""
        self._process.communicate(timeout=LONGEST_SECONDS)


def _become(arguments: list[str], output: IO[bytes], errors: IO[bytes]) -> int:
    """What a new process would do, with the same descriptors and the same end."""
    from manage import main  # noqa: PLC0415 - the program itself, which has its own way to begin

    signal.alarm(LONGEST_SECONDS)
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter shows it
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _run(arguments: list[str]) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = _become(arguments, output, errors)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _pid, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), _text(output), _text(errors)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


def main() -> None:
    import django  # noqa: PLC0415
    from django.urls import get_resolver  # noqa: PLC0415

    # Its own answers go where no command can write.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # By this name the settings know a command.
    sys.argv[:] = ["manage.py"]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neoapex.settings")
    django.setup()
    get_resolver().url_patterns  # noqa: B018 - the pages too: most commands check them
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
