"""How the server process runs.

gunicorn's configuration, `make run`, the WSGI handler, health and metrics endpoints, and the checks
and headers of API calls.
"""
