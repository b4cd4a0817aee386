"""The worker: one process, `manage.py work`, runs everything that recurs.

Apps register their duties at start (duties). Any number of workers on any number of hosts share
them: a duty is claimed in the database before it runs (claims), in a thread of its own (runner).
`/metrics` shows how late each one is (lag).
"""
