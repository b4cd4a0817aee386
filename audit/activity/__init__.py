"""Database activity: the audit events that agents send.

`batch` parses a request body, `event` defines one event, `ingest.receive` stores a batch and
`queries` (`page`, `matching`, `find`, `row`) reads it back. `api` and `views` are the edges.
"""
