import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from neoapex.embedded import home as home_module
from neoapex.embedded.errors import AlreadyRunning, DiskFull, HomeUnusable
from neoapex.embedded.home import Home
from tests.embedded.processes import BASE_DIR


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "deep" / "home")
    home.prepare()
    return home


def test_a_home_is_private_but_for_the_passage_to_postgresqls_folder(home: Home) -> None:
    assert mode(home.path) == (0o711 if os.geteuid() == 0 else 0o700)
    assert mode(home.logs) == mode(home.run) == 0o700


def test_a_home_that_was_open_is_closed(home: Home) -> None:
    home.path.chmod(0o777)
    home.prepare()
    assert mode(home.path) & 0o066 == 0


def test_a_home_that_cannot_be_a_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeUnusable, match=r"cannot be used as NEOAPEX_HOME: Not a directory\. Set NEOAPEX_HOME"):
        Home(tmp_path / "file" / "home").prepare()


def test_a_nearly_full_disk_is_refused_before_anything_starts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=499_000_000))
    with pytest.raises(DiskFull, match="Only 499 MB are free"):
        home.prepare()


def test_a_secret_is_drawn_once_and_kept_private(home: Home) -> None:
    first, other = home.secret("one"), home.secret("two")
    assert first != other
    assert len(first) == 64
    assert Home(home.path).secret("one") == first
    assert mode(home.path / "secrets.json") == 0o600


def test_damaged_secrets_are_told_and_never_drawn_anew(home: Home) -> None:
    (home.path / "secrets.json").write_text('{"one": ')
    with pytest.raises(HomeUnusable, match=r"secrets\.json is damaged"):
        home.secret("one")
    assert (home.path / "secrets.json").read_text() == '{"one": '


def test_the_environment_is_lent_privately_and_taken_back(home: Home) -> None:
    home.lend_environment({"DATABASE_URL": "postgresql://x"})
    assert json.loads(home.environment_path.read_text()) == {"DATABASE_URL": "postgresql://x"}
    assert mode(home.environment_path) == 0o600
    home.take_environment_back()
    home.take_environment_back()
    assert not home.environment_path.exists()


def test_an_overgrown_log_is_moved_aside_and_a_small_one_is_not(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_module, "LOG_BYTES", 10)
    home.log("web.log").write_text("small")
    assert home.log("web.log").read_text() == "small"
    home.log("web.log").write_text("much too long")
    assert not home.log("web.log").exists()
    assert (home.logs / "web.log.1").read_text() == "much too long"


LOCK = """
import sys
from pathlib import Path
from neoapex.embedded.errors import AlreadyRunning
from neoapex.embedded.home import Home
try:
    Home(Path(sys.argv[1])).lock()
except AlreadyRunning as error:
    sys.exit(f"{error.code}: {error}")
"""


def lock_elsewhere(home: Home) -> str:
    argv = [sys.executable, "-c", LOCK, str(home.path)]
    return subprocess.run(argv, cwd=BASE_DIR, stderr=subprocess.PIPE, text=True, timeout=60, check=False).stderr


def test_a_home_is_locked_for_one_process_and_free_again_after_it(home: Home) -> None:
    assert lock_elsewhere(home) == ""
    assert lock_elsewhere(home) == ""
    assert not home.is_running()
    home.lock()
    assert home.is_running()
    assert f"already_running: A studio already runs from {home.path} (process {os.getpid()})." in lock_elsewhere(home)


def test_a_home_waits_for_the_children_of_a_killed_studio_and_gives_up_in_the_end(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module, "LEFTOVERS_SECONDS", 0.1)
    left = os.open(home.path / "children.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(left, fcntl.LOCK_EX)
    with pytest.raises(AlreadyRunning, match="have not ended"):
        home.lock()
    os.close(left)
