"""The admin's window on callbacks: each delivery with a way to send it through again, and how they all fare."""

from webhooks.admin import deliveries, health

__all__ = ["deliveries", "health"]
