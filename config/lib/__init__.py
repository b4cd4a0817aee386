"""The ground: modules that every app uses and that import none of them.

Configuration formats, ids, request bodies and problems, rate limits, logs, metrics, the worker, and
access to the database and Redis.
"""
