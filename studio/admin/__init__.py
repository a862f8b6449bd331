"""People to manage, windows on what they made and who is told of it, and fal’s bill against the books."""

from studio.admin import people, receivers, reconciliations, retouches, second_factors, songs

__all__ = ["people", "receivers", "reconciliations", "retouches", "second_factors", "songs"]
