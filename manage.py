#!/usr/bin/env python
"""Django's command line for the studio."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neoapex.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # What is wrong with the environment is for a person to read; a traceback would hide it.
        sys.exit(f"neoapex: {error}")


if __name__ == "__main__":
    main()
