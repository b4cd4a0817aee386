"""Servers that tests start: Keyway, PostgreSQL, Redis, nginx, and two helpers for gateways."""
