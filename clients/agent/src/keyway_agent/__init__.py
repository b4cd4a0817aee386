"""Keyway's reference agent. It uses only Keyway's public HTTP API."""

__version__ = "0.1.0"
