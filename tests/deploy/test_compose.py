"""docker-compose.yml, the image and the proxy: what can be said of them without Docker."""

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from simulator.config import Config
from tests.deploy import composed
from tests.deploy.composed import ROOT, filled

APP = ("web", "worker", "media", "beat")
SERVICES = composed.services()
IMAGE = (ROOT / "Dockerfile").read_text()
KNOWN = {
    name
    for line in (ROOT / ".env.example").read_text().splitlines()
    for name in re.findall(r"^#? ?([A-Z_0-9]+)=", line)
}
OF_IMAGES = {
    "postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"},
    "store": {"GARAGE_DEFAULT_BUCKET", "GARAGE_RPC_SECRET_FILE", "GARAGE_ALLOW_WORLD_READABLE_SECRETS"},
    "proxy": {"NEOAPEX_PUBLIC_URL", "MEDIA_URL", "SIMULATOR_URL"},
    "simulator": {f"SIMULATOR_{field.upper()}" for field in Config.model_fields},
}
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?")


def test_every_part_is_there() -> None:
    assert SERVICES.keys() == {*APP, "migrate", "rules", "postgres", "redis", "store", "proxy", "simulator"}
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == ["simulator"]


def test_every_image_is_pinned_to_a_version() -> None:
    used = [service["image"] for service in SERVICES.values()]
    used += re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE)
    assert [name for name in used if not PINNED.fullmatch(name)] == []
    assert [name for name in used if name.count("/") > 1 or "." in name.split("/")[0].split(":")[0]] == []


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["proxy"]
    assert composed.document()["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis", "store"):
        assert SERVICES[name]["networks"] == ["inside"], name


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_bounded_and_started_again(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} == limits.keys()
    assert service["restart"] == ("on-failure:5" if name in {"migrate", "rules"} else "unless-stopped")
    assert "no-new-privileges:true" in service["security_opt"]
    if name not in {"migrate", "rules"}:
        assert {"test", "interval", "timeout"} <= service["healthcheck"].keys()


@pytest.mark.parametrize("name", composed.ours())
def test_what_runs_our_code_can_write_nothing_and_may_do_nothing(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "/tmp" in service["tmpfs"]


def test_the_parts_start_in_an_order_that_works() -> None:
    for name in APP:
        needed = SERVICES[name]["depends_on"]
        assert {one: how["condition"] for one, how in needed.items()} == {
            "migrate": "service_completed_successfully",
            "rules": "service_completed_successfully",
        }
    assert SERVICES["migrate"]["depends_on"].keys() == {"postgres", "redis"}
    assert SERVICES["rules"]["depends_on"].keys() == {"store"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_one_that_somebody_reads(name: str) -> None:
    given = (SERVICES[name].get("environment") or {}).keys()
    read = OF_IMAGES.get(name, KNOWN | {f"{known}_FILE" for known in KNOWN})
    assert set(given) - read == set()


def test_whoever_starts_it_is_asked_for_variables_of_the_example_only() -> None:
    assert composed.variables() - KNOWN == {"SIMULATOR_URL", "SIMULATOR_KEY"}


def test_no_secret_is_a_variable_and_every_one_is_a_file() -> None:
    secret = re.compile(r"KEY|SECRET|PASSWORD|(DATABASE|REDIS|EMAIL)_URL")
    public = {"GARAGE_ALLOW_WORLD_READABLE_SECRETS", "SIMULATOR_KEY"}
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            if secret.search(variable) and variable not in public:
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {variable}"
    declared = composed.document()["secrets"]
    assert {one for service in SERVICES.values() for one in service.get("secrets", ())} == declared.keys()
    assert {one["file"] for one in declared.values()} == {f"secrets/{one}" for one in declared}


def test_every_volume_is_declared_and_every_mounted_file_is_there() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", ())]
    named = {source for source, *_ in mounts if not source.startswith(".")}
    assert named == composed.document()["volumes"].keys()
    for source, *_ in mounts:
        if source.startswith("."):
            assert (ROOT / source).is_file(), source


@pytest.mark.parametrize(
    ("text", "given", "value"),
    [
        ("a ${X} $$HOME", {"X": "1"}, "a 1 $HOME"),
        ("${X:-d}", {"X": ""}, "d"),
        ("${X-d}", {"X": ""}, ""),
        ("${X-d}", {}, "d"),
        ("${X?}", {"X": ""}, ""),
    ],
)
def test_variables_are_filled_as_compose_does(text: str, given: dict[str, str], value: str) -> None:
    assert filled(text, given) == value


def test_a_variable_that_must_be_there_is_missed() -> None:
    for text in ("${X?}", "${X:?}"):
        with pytest.raises(KeyError, match="X"):
            filled(text, {})


# --- The image -------------------------------------------------------------------------------------------------------


def test_the_image_runs_as_nobody_in_particular_and_watches_itself() -> None:
    last = IMAGE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER neoapex$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "--uid 10001" in last
    assert IMAGE.count("\nFROM ") >= 3
    tmpfs = [mount for mount in SERVICES["web"]["tmpfs"] if mount.startswith("/var/lib/neoapex")]
    assert tmpfs == ["/var/lib/neoapex:uid=10001,gid=10001,mode=0700"]


def test_the_image_runs_what_the_service_runs() -> None:
    said = re.search(r"^CMD \[(.+?)\]$", IMAGE, re.MULTILINE | re.DOTALL)
    assert said is not None
    assert re.findall(r'"([^"]+)"', said[1]) == composed.command_of(SERVICES["web"])
    assert 'CMD ["python", "-m", "neoapex.alive"]' in IMAGE
    assert composed.healthcheck_of(SERVICES["web"]) == ["python", "-m", "neoapex.alive"]


def test_the_image_holds_what_is_pinned_for_production_and_no_more() -> None:
    assert "--require-hashes --requirement requirements.txt" in IMAGE
    assert "requirements-dev" not in IMAGE
    assert "--omit=dev" in IMAGE
    assert not re.search(r"https?://(?!build\b)", IMAGE)
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", IMAGE, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists(), name


def test_only_what_the_image_needs_goes_to_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    let_in = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in let_in)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages <= let_in
    assert not let_in & {".env", "secrets", ".git", "tests", "docs", "node_modules"}


# --- The proxy -------------------------------------------------------------------------------------------------------


def test_the_proxy_sends_each_address_to_a_service_that_listens_there() -> None:
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    assert text.count("{") == text.count("}")
    sent = dict(re.findall(r"reverse_proxy ([a-z]+):(\d+)", text))
    assert sent == {"web": "8000", "store": "3900", "simulator": "8001"}
    for name in ("web", "simulator"):
        assert sent[name] in composed.command_of(SERVICES[name])
    assert f":{sent['store']}" in (ROOT / "deploy" / "garage.toml").read_text()
    assert set(re.findall(r"\{\$(\w+)", text)) == SERVICES["proxy"]["environment"].keys()


def test_the_proxy_shows_no_figures_and_lets_nobody_write_to_the_bucket() -> None:
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    assert "respond /metrics 404" in text
    assert "method GET HEAD" in text
    assert "flush_interval -1" in text


# --- The secrets -----------------------------------------------------------------------------------------------------


def make_secrets(folder: Path) -> str:
    done = subprocess.run(
        [ROOT / "deploy" / "secrets.sh", folder], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text().strip() for path in folder.iterdir()}


def test_secrets_are_made_once_and_fit_together(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    said = make_secrets(folder)
    first = read(folder)
    declared: dict[str, Any] = composed.document()["secrets"]
    assert declared.keys() | {"garage.env"} == first.keys()
    assert {name for name, value in first.items() if not value} == {"fal_key", "email_url"}
    assert "fal_key" in said
    assert first["postgres_password"] in first["database_url"]
    assert first["redis_password"] in first["redis_url"]
    assert first["aws_secret_access_key"] in first["garage.env"]
    assert len(set(first.values()) - {""}) == len(first) - 2
    (folder / "fal_key").write_text("id:secret\n")
    assert "fal_key" not in make_secrets(folder)
    assert read(folder) == {**first, "fal_key": "id:secret"}


def test_nobody_else_on_the_machine_gets_at_the_secrets(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(path.stat().st_mode & stat.S_IROTH for path in folder.iterdir()), "containers have users of their own"


def test_secrets_are_not_committed() -> None:
    git = shutil.which("git")
    assert git is not None
    ignored = subprocess.run(
        [git, "check-ignore", "secrets/fal_key", ".env"], cwd=ROOT, capture_output=True, check=False
    )
    assert ignored.stdout.split() == [b"secrets/fal_key", b".env"]
