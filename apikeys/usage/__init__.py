"""Usage: the record of every request made with a key.

The line of a request is in this process's spool before its response leaves (spool.append,
spool.spool, spool.segment, spool.lines). A drainer moves each whole line into the database exactly
once (drain, storage). Statistics read roll-ups only.
"""
