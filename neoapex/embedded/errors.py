"""What can keep the embedded stack from running, each with one line that says what to do."""


class EmbeddedError(Exception):
    """A reason why the stack cannot start or go on: ``code`` for programs, the message and ``hint`` for people."""

    code = "embedded_error"
    hint = "Look at the logs folder of NEOAPEX_HOME."

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


class HomeUnusable(EmbeddedError):
    """The home folder cannot be made, written or owned."""

    code = "home_unusable"
    hint = "Set NEOAPEX_HOME to a folder that this user may write to."


class AlreadyRunning(EmbeddedError):
    """Another supervisor holds the lock of this home."""

    code = "already_running"
    hint = "Stop it with Ctrl-C, or set another NEOAPEX_HOME and NEOAPEX_PORT for a second one."


class DiskFull(EmbeddedError):
    """Too little space is left for databases and audio."""

    code = "disk_full"
    hint = "Free some space, or set NEOAPEX_HOME to a folder on a larger disk."


class PortTaken(EmbeddedError):
    """Somebody else listens on the port that the studio was told to use."""

    code = "port_taken"
    hint = "Choose another with NEOAPEX_PORT."


class ChildFailed(EmbeddedError):
    """A process of the stack ended on its own, or did not become ready in time."""

    code = "child_failed"


class PartMissing(EmbeddedError):
    """A program that the stack is built from is not installed."""

    code = "part_missing"
    hint = "Run `make studio` again: it installs what is missing."


class Interrupted(EmbeddedError):
    """We were told to stop while something was still starting."""

    code = "interrupted"
    hint = ""
