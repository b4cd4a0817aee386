"""Errors that stop the agent. Each exit status tells a supervisor whether a restart can help."""

STOPPED = 0
BROKEN_STATE = 74  # EX_IOERR
UNREACHABLE = 75  # EX_TEMPFAIL: only with --once
REFUSED = 77  # EX_NOPERM: the server permanently refuses the key
MISCONFIGURED = 78  # EX_CONFIG


class AgentError(Exception):
    status = 1


class Misconfigured(AgentError):
    """The configuration file, or something it refers to, cannot be used."""

    status = MISCONFIGURED


class Unreadable(Misconfigured):
    """The log cannot be read: it does not exist yet, or permissions do not allow it."""


class BrokenState(AgentError):
    """The state directory cannot be read or written. Its files are unchanged."""

    status = BROKEN_STATE
