"""Two independent logs: Keyway's own audit log and the events agents send.

`audit.trail` records who changed what in Keyway. `audit.activity` stores and queries database
audit events. Neither imports the other; the packages share only the ground in `config.lib`.
"""
