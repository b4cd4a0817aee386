"""Why the agent stops. Each has the exit status that tells a supervisor whether starting again can help."""

STOPPED = 0
BROKEN_STATE = 74  # EX_IOERR
UNREACHABLE = 75  # EX_TEMPFAIL: only with --once
REFUSED = 77  # EX_NOPERM: the key will not be accepted again
MISCONFIGURED = 78  # EX_CONFIG


class AgentError(Exception):
    status = 1


class Misconfigured(AgentError):
    """The configuration file, or what it points at, cannot be used as it is."""

    status = MISCONFIGURED


class Unreadable(Misconfigured):
    """The log cannot be read just now: not yet there, or not for us."""


class BrokenState(AgentError):
    """The state directory cannot be read or written. What it holds is as it was."""

    status = BROKEN_STATE
