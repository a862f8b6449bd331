"""People to manage, windows on what they made, and fal's bill against the books."""

from studio.admin import people, reconciliations, retouches, songs

__all__ = ["people", "reconciliations", "retouches", "songs"]
