"""What an embedded studio consists of today: which parts are ours, on which ports, with which environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neoapex.embedded import ports
from neoapex.embedded.errors import EmbeddedError, PortTaken
from neoapex.embedded.home import Home
from neoapex.embedded.postgres import PostgresServer
from neoapex.embedded.redis import RedisServer

BASE_DIR = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 8000
SIMULATOR_USER_ID = "neoapex-simulator"


class BadPort(EmbeddedError):
    """NEOAPEX_PORT is no port."""

    code = "bad_port"
    hint = "Give a number from 1024 to 32767."


@dataclass(frozen=True, slots=True)
class Configuration:
    """One studio: ``database``, ``broker`` and ``simulator_port`` are None where somebody else provides them."""

    home: Home
    port: int
    database: PostgresServer | None
    broker: RedisServer | None
    simulator_port: int | None
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://{ports.HOST}:{self.port}"

    @property
    def simulator_url(self) -> str:
        return f"http://{ports.HOST}:{self.simulator_port}"


def home_from(environment: Mapping[str, str]) -> Home:
    """The home that NEOAPEX_HOME names, ``.neoapex`` beside the code by default."""
    path = environment.get("NEOAPEX_HOME") or str(BASE_DIR / ".neoapex")
    return Home(Path(path).expanduser().resolve())


def port_from(environment: Mapping[str, str]) -> int:
    """The studio's port; raises BadPort, or PortTaken with a free one to use instead.

    A port is never changed silently: bookmarks and webhooks point at it.
    """
    given = environment.get("NEOAPEX_PORT", "").strip() or str(DEFAULT_PORT)
    if not (given.isascii() and given.isdigit() and 1024 <= int(given) < ports.EPHEMERAL_START):
        raise BadPort(f"NEOAPEX_PORT is {given!r}.")
    port = int(given)
    if not ports.is_free(port):
        other = ports.next_free(port + 10)
        raise PortTaken(f"Port {port} is in use.", f"Run `NEOAPEX_PORT={other} make studio`.")
    return port


def configure(home: Home, environment: Mapping[str, str]) -> Configuration:
    """Decide ports and passwords; what ``environment`` already names is used and not started."""
    port = port_from(environment)
    database = None if _given(environment, "DATABASE_URL") else _database(home)
    broker = None if _given(environment, "REDIS_URL") else _broker(home)
    simulator_port = None if _given(environment, "FAL_KEY") else ports.next_free(port + 1)
    own = {"NEOAPEX_ENV": "embedded", "NEOAPEX_HOME": str(home.path), "NEOAPEX_PORT": str(port)}
    if database:
        own["DATABASE_URL"] = database.url
    if broker:
        own["REDIS_URL"] = broker.url
    if not _given(environment, "SECRET_KEY"):
        own["SECRET_KEY"] = home.secret("secret_key")
    if simulator_port:
        own |= _simulated_fal(home, f"http://{ports.HOST}:{port}", simulator_port)
    # Whoever sets one of these by hand, a proxy before the simulator for instance, means it.
    chosen = {name: environment[name] for name in own if environment.get(name)}
    return Configuration(home, port, database, broker, simulator_port, own | chosen | _forced(own))


def lent_environment(configuration: Configuration, environment: Mapping[str, str]) -> dict[str, str]:
    """What a command beside the studio needs; never a key that a person gave us, for this goes to the disk."""
    names = ("DATABASE_URL", "DATABASE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE", "SECRET_KEY_FILE", "FAL_KEY_FILE")
    given = {name: environment[name] for name in names if environment.get(name)}
    settings = {name: value for name, value in environment.items() if name.startswith("NEOAPEX_")}
    # Commands judge no callbacks; with the scheme they would ask for its secret.
    for name in ("NEOAPEX_WEBHOOK_SECRET", "NEOAPEX_WEBHOOK_SCHEME"):
        settings.pop(name, None)
    lent = settings | given | dict(configuration.environment)
    del lent["NEOAPEX_HOME"]
    return lent


def _given(environment: Mapping[str, str], name: str) -> bool:
    return bool(environment.get(name) or environment.get(f"{name}_FILE"))


def _forced(own: Mapping[str, str]) -> dict[str, str]:
    return {name: own[name] for name in ("NEOAPEX_ENV", "NEOAPEX_HOME", "NEOAPEX_PORT")}


def _database(home: Home) -> PostgresServer:
    return PostgresServer(
        home.path / "postgres", ports.random_free(), home.secret("database_password"), log_path=home.log("postgres.txt")
    )


def _broker(home: Home) -> RedisServer:
    return RedisServer(
        home.path / "redis", ports.random_free(), home.secret("redis_password"), log_path=home.log("redis.txt")
    )


def _simulated_fal(home: Home, studio_url: str, port: int) -> dict[str, str]:
    base = f"http://{ports.HOST}:{port}"
    return {
        "FAL_KEY": f"simulator:{home.secret('simulator_key')}",
        "NEOAPEX_FAL_QUEUE_URL": base,
        "NEOAPEX_FAL_REST_URL": base,
        "NEOAPEX_FAL_API_URL": f"{base}/v1",
        "NEOAPEX_FAL_CDN_URL": base,
        "NEOAPEX_FAL_JWKS_URL": f"{base}/.well-known/jwks.json",
        "NEOAPEX_FAL_USER_ID": SIMULATOR_USER_ID,
        "NEOAPEX_MEDIA_HOSTS": f"{ports.HOST}:{port}",
        "NEOAPEX_PUBLIC_URL": studio_url,
    }
