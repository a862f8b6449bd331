"""The fixtures of the core, for every test here."""

from tests.studio.fixtures import ada, bo, fal, rings, studio_settings

__all__ = ["ada", "bo", "fal", "rings", "studio_settings"]
