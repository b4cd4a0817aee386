"""Two independent logs: Keyway's own audit log and the events agents send.

`audit.trail` records who changed what in Keyway. `audit.activity` stores and queries database
audit events. They share only the form fields in `audit.fields` and the ground in `config.lib`.
"""
