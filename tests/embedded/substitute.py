"""A supervisor over substitute processes, run as a program of its own: `python -m tests.embedded.substitute FOLDER`."""

import sys
from functools import partial
from pathlib import Path

from neoapex.embedded.children import Program, start
from neoapex.embedded.errors import ChildFailed, Interrupted
from neoapex.embedded.home import Home
from neoapex.embedded.supervisor import Service, Supervisor, signals_blocked

# Each writes when it started and when it was asked to end, and keeps a fork that ignores every polite signal.
STANDING = """
import os, signal, sys, time
name, folder = sys.argv[1], sys.argv[2]
def note(what):
    with open(os.path.join(folder, "notes"), "a") as notes:
        notes.write(f"{what} {name}\\n")
def end(*_):
    note("stopped")
    raise SystemExit
signal.signal(signal.SIGTERM, end)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
    os._exit(0)
note("started")
time.sleep(60)
"""


def standing(name: str, folder: Path, *, slow: bool = False) -> Service:
    """A service that is ready when it has noted its start, or never."""
    script = folder / "standing.py"
    script.write_text(STANDING)
    argv = (sys.executable, "-m", "neoapex.embedded.leash", "standing", name, str(folder))
    program = Program(name, argv, {"PYTHONPATH": f"{folder}:{Path.cwd()}"}, log_path=folder / f"{name}.log")
    return Service(program, lambda: not slow and f"started {name}" in read_notes(folder), ready_seconds=30)


def read_notes(folder: Path) -> list[str]:
    notes = folder / "notes"
    return notes.read_text().splitlines() if notes.exists() else []


def main(folder: Path, *options: str) -> int:
    """Run two stages, data and then web and worker; 0 after a stop signal, 3 when one of them ends on its own."""
    with signals_blocked():
        home = Home(folder)
        home.prepare()
        supervisor = Supervisor(partial(start, keep_open=(home.lock(),)))
        try:
            supervisor.start([standing("data", folder)])()
            second = [standing("worker", folder), standing("web", folder, slow="never-ready" in options)]
            (folder / "starting").touch()
            supervisor.start(second)()
            (folder / "ready").touch()
            supervisor.watch()
        except ChildFailed as error:
            sys.stderr.write(f"{error}\n")
            return 3
        except Interrupted:
            return 0
        finally:
            supervisor.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
