"""The bill of materials names what is pinned, and nothing else."""

import re
from importlib.metadata import distributions, version
from pathlib import Path

from neoapex import sbom

PINS = (Path(__file__).resolve().parents[2] / "requirements.txt").read_text()


def test_every_pin_is_a_component_with_its_version_its_files_and_its_licence() -> None:
    listed = sbom.bill(PINS)["components"]
    components = {part["name"]: part for part in listed}
    pinned = dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+)", PINS, re.MULTILINE))
    assert {name: part["version"] for name, part in components.items()} == pinned
    assert len(components) > 40
    assert sum(len(part["properties"]) for part in listed) == PINS.count("--hash=sha256:")
    django = components["django"]
    assert django["purl"] == f"pkg:pypi/django@{version('django')}"
    assert django["licenses"] == [{"license": {"name": "BSD-3-Clause"}}]
    here = {pin.metadata["Name"].lower() for pin in distributions()}
    assert [name for name, part in components.items() if "licenses" not in part and name in here] == []


def test_the_same_pins_give_the_same_bill() -> None:
    bill = sbom.bill(PINS)
    assert bill == sbom.bill(PINS)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    references = [part["bom-ref"] for part in bill["components"]]
    assert len(set(references)) == len(references)


def test_what_is_not_installed_is_named_without_a_licence() -> None:
    [part] = sbom.bill("no-such-package[extra]==1.2 \\\n    --hash=sha256:" + "0" * 64)["components"]
    assert (part["name"], part["version"], part["purl"]) == ("no-such-package", "1.2", "pkg:pypi/no-such-package@1.2")
    assert "licenses" not in part
