"""Looks whether a studio can do its work, and says what to do where it can't."""
