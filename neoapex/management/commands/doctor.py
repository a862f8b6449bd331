"""Looks whether the studio can do its work."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from neoapex.doctor.examination import CHECKS, examine
from neoapex.doctor.findings import Finding, State

MARKS = {State.OK: "ok", State.ADVICE: "advice", State.WRONG: "WRONG"}
WIDTH = max(map(len, CHECKS))


class Command(BaseCommand):
    help = "Look whether the studio can do its work, and say what to do about it; exit 1 where something is wrong."
    # They would stop it where it has most to say.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine()
        wrong = sum(finding.state is State.WRONG for finding in findings)
        if options["json"]:
            self.stdout.write(json.dumps({"wrong": wrong, "findings": [asdict(finding) for finding in findings]}))
        else:
            for finding in findings:
                self._write(finding)
            self.stdout.write(f"{wrong} of {len(findings)} are wrong." if wrong else "All is well.")
        if wrong:
            raise SystemExit(1)

    def _write(self, finding: Finding) -> None:
        self.stdout.write(f"{MARKS[finding.state]:<7} {finding.check:<{WIDTH}}  {finding.message}")
        if finding.remedy:
            self.stdout.write(f"{'':<{8 + WIDTH}}  → {finding.remedy}")
