"""The REST API of keys: managing them, their usage, and `whoami`.

Also what every API view shares: authentication, permissions, middleware and the exception handler.
"""
