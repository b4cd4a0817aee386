"""Agents: registration, health and configuration.

`services` registers agents (`heartbeat`, `note_batch`), counts them by health (`health_counts`) and
versions their configuration (`configuration_in_force`, `change_configuration`). `api` serves agents
and `views` serves people.
"""
