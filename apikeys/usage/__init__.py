"""Usage: the record of every request made with a key.

A request's line is in this process's spool before its response leaves (recorder, spool, segment, lines); a drainer
moves whole lines into the database exactly once (drain, storage); statistics are read from roll-ups only.
"""
