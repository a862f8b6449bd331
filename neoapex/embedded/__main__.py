"""The command `python -m neoapex.embedded`: run a studio in the foreground until Ctrl-C."""

import errno
import logging
import logging.handlers
import os
import signal
import sys
from functools import partial

from neoapex.embedded.children import start
from neoapex.embedded.configuration import configure, home_from
from neoapex.embedded.errors import ChildFailed, DiskFull, EmbeddedError, Interrupted
from neoapex.embedded.home import Home
from neoapex.embedded.leash import die_with_parent
from neoapex.embedded.studio import Studio, say
from neoapex.embedded.supervisor import signals_blocked
from neoapex.logs import JsonLines

NEARLY_FULL_BYTES = 20_000_000


def main() -> int:
    """Run the studio; 0 after a stop signal, 1 with one line on standard error for everything else."""
    os.umask(0o077)
    # Until the log file is there, `fail` alone speaks: Python would print the record to the terminal as well.
    logging.getLogger("neoapex.embedded").addHandler(logging.NullHandler())
    if "MAKELEVEL" in os.environ:
        # A make that is killed takes the studio with it, as Ctrl-C does.
        die_with_parent(os.getppid(), signal.SIGTERM)
    home = home_from(os.environ)
    with signals_blocked():
        try:
            run(home)
        except Interrupted:
            return 0
        except EmbeddedError as error:
            return fail(error)
        except OSError as error:
            return fail(explain(home, error))
    return 0


def run(home: Home) -> None:
    """One studio in ``home``, from start to stop."""
    home.prepare()
    children_lock = home.lock()
    write_log(home)
    say(f"Neo-Apex starts from {home.path}")
    configuration = configure(home, os.environ)
    studio = Studio(configuration, partial(start, keep_open=(children_lock,)))
    try:
        studio.run()
    except ChildFailed:
        # A full disk ends databases; that is the reason to name then.
        home.check_space(NEARLY_FULL_BYTES)
        raise


def explain(home: Home, error: OSError) -> EmbeddedError:
    """What to tell about an error of the system that nobody expected."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"The disk of {home.path} is full.")
    return EmbeddedError(f"{error}.")


def fail(error: EmbeddedError) -> int:
    """Say why on standard error."""
    logging.getLogger("neoapex.embedded").error(error.message, extra={"code": error.code})
    sys.stderr.write(f"neoapex: {error}\n")
    return 1


def write_log(home: Home) -> None:
    """Keep what the supervisor does in a log of its own, as JSON lines."""
    handler = logging.handlers.RotatingFileHandler(home.log("supervisor.log"), maxBytes=5_000_000, backupCount=1)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("neoapex.embedded")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


if __name__ == "__main__":
    sys.exit(main())
