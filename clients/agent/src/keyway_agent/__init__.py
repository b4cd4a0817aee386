"""Keyway's reference agent. Knows Keyway by its HTTP API alone."""

__version__ = "0.1.0"
