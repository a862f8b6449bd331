import socket
from pathlib import Path

import pytest

from neoapex.embedded import ports
from neoapex.embedded.configuration import BadPort, configure, home_from, lent_environment, port_from
from neoapex.embedded.errors import PortTaken
from neoapex.embedded.home import Home
from neoapex.embedded.stamps import Stamp


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.fixture
def port() -> str:
    return str(ports.random_free())


def test_without_a_fal_key_the_simulator_plays_fal_on_the_next_free_port(home: Home, port: str) -> None:
    studio = configure(home, {"NEOAPEX_PORT": port})
    assert studio.simulator_port
    assert studio.simulator_port > int(port)
    assert studio.environment["NEOAPEX_FAL_QUEUE_URL"] == studio.simulator_url
    assert studio.environment["NEOAPEX_FAL_API_URL"] == f"{studio.simulator_url}/v1"
    assert studio.environment["NEOAPEX_MEDIA_HOSTS"] == f"127.0.0.1:{studio.simulator_port}"
    assert studio.environment["NEOAPEX_PUBLIC_URL"] == studio.url


@pytest.mark.parametrize("name", ["FAL_KEY", "FAL_KEY_FILE"])
def test_with_a_fal_key_there_is_no_simulator_and_no_public_address(home: Home, port: str, name: str) -> None:
    studio = configure(home, {"NEOAPEX_PORT": port, name: "real"})
    assert studio.simulator_port is None
    assert not {"FAL_KEY", "NEOAPEX_FAL_QUEUE_URL", "NEOAPEX_PUBLIC_URL"} & studio.environment.keys()


def test_what_the_environment_names_is_used(home: Home, port: str) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/x", "REDIS_URL_FILE": "/run/secrets/redis", "SECRET_KEY": "mine"}
    studio = configure(home, {"NEOAPEX_PORT": port, **given})
    assert studio.database is None
    assert studio.broker is None
    assert not {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"} & studio.environment.keys()


def test_an_address_chosen_by_hand_wins_over_the_simulators(home: Home, port: str) -> None:
    studio = configure(home, {"NEOAPEX_PORT": port, "NEOAPEX_FAL_QUEUE_URL": "http://127.0.0.1:9"})
    assert studio.environment["NEOAPEX_FAL_QUEUE_URL"] == "http://127.0.0.1:9"


def test_a_studio_on_a_laptop_is_embedded_whatever_the_shell_says(home: Home, port: str) -> None:
    assert configure(home, {"NEOAPEX_PORT": port, "NEOAPEX_ENV": "production"}).environment["NEOAPEX_ENV"] == "embedded"


def test_the_secrets_of_two_starts_are_the_same(home: Home, port: str) -> None:
    first, second = (configure(home, {"NEOAPEX_PORT": port}).environment for _ in range(2))
    assert {first[name] for name in ("SECRET_KEY", "FAL_KEY")} == {second[name] for name in ("SECRET_KEY", "FAL_KEY")}


def test_no_key_that_a_person_gave_us_is_lent_to_commands_by_way_of_the_disk(home: Home, port: str) -> None:
    relay = {"NEOAPEX_WEBHOOK_SCHEME": "hmac", "NEOAPEX_WEBHOOK_SECRET": "hush"}
    given = {"NEOAPEX_PORT": port, "FAL_KEY": "real", "NEOAPEX_USER_SLOTS": "3", **relay}
    lent = lent_environment(configure(home, given), given)
    assert not {"real", "hush"} & set(lent.values())
    assert "NEOAPEX_WEBHOOK_SCHEME" not in lent, "a command would ask for the secret, and judges no callback"
    assert lent["NEOAPEX_USER_SLOTS"] == "3"
    assert lent["DATABASE_URL"].startswith("postgresql://neoapex:")


def test_a_taken_port_names_a_free_one(port: str) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", int(port)))
        squatter.listen()
        with pytest.raises(PortTaken, match=rf"Port {port} is in use\. Run `NEOAPEX_PORT=\d+ make studio`") as refused:
            port_from({"NEOAPEX_PORT": port})
    other = int(refused.value.hint.partition("=")[2].split()[0])
    assert port_from({"NEOAPEX_PORT": str(other)}) == other


@pytest.mark.parametrize("given", ["web", "80", "-8000", "40000", "8000.0"])
def test_what_is_no_usable_port_is_refused(given: str) -> None:
    with pytest.raises(BadPort, match="NEOAPEX_PORT is"):
        port_from({"NEOAPEX_PORT": given})


def test_the_home_is_beside_the_code_unless_it_is_named() -> None:
    assert home_from({}).path.name == ".neoapex"
    assert home_from({"NEOAPEX_HOME": "/srv/studio"}).path == Path("/srv/studio")
    assert home_from({"NEOAPEX_HOME": "~/studio"}).path == Path.home() / "studio"


def test_a_stamp_is_current_until_a_source_comes_goes_or_changes(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "one.css").write_text("a")
    stamp = Stamp(tmp_path / "stamp", (folder, tmp_path / "list"))
    assert not stamp.is_current()
    changes = ((folder / "two.css").touch, (folder / "two.css").unlink, lambda: (folder / "one.css").write_text("ab"))
    for change in (*changes, (tmp_path / "list").touch):
        stamp.renew()
        assert stamp.is_current()
        change()
        assert not stamp.is_current()


def test_free_ports_stay_below_the_range_that_clients_are_given() -> None:
    assert all(20000 <= ports.random_free() < ports.EPHEMERAL_START for _ in range(20))
    with pytest.raises(PortTaken):
        ports.next_free(ports.EPHEMERAL_START)
