"""Logging: one line per event, as JSON or plain text, with request id and key, without secrets.

Redaction is the last step and works on the finished line. It catches a secret wherever it came
from: message, argument, extra, exception or repr. This module does not import Django, because
gunicorn logs before Django is set up.
"""

import logging
import random
import re
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol
from uuid import UUID

import structlog
from gunicorn import glogging
from structlog.typing import EventDict, WrappedLogger

from config.lib.ids import encode

# Matches any prefix, because an installation may have used others before. Truncated secrets are
# redacted too.
_KEYS = re.compile(r"((?:live|test|oat|ort|oac|ocs)_)[0-9A-Za-z]{8,}")
_OTHERS = re.compile(
    r"""(?P<name>\b(?:bearer|basic)\s+(?=\S*[\d.=])|(?:__Host-)?keyway(?:-csrf)?=)[^\s"',;\\]+"""
    r"""|(?P<proof>\$argon2id\$)[^\s"'\\]+"""
    r"""|(?P<token>\beyJ)[\w-]{8,}(?:\.[\w-]*)*"""
    r"""|(?P<webhook>\bwhsec_)[\w+/=-]{8,}""",
    re.IGNORECASE,
)
REDACTED = "[redacted]"

_REQUEST_ID = re.compile(r"[A-Za-z0-9.-]{8,128}")


class _Subject(Protocol):
    @property
    def organization_id(self) -> UUID: ...
    @property
    def key_id(self) -> UUID: ...


_request_id: ContextVar[str] = ContextVar("request_id", default="")
_subject: ContextVar[_Subject | None] = ContextVar("subject", default=None)


def begin_request(meta: Mapping[str, Any], *, is_proxied: bool) -> str:
    """Reset the context of the log and return the id of this request.

    A trusted proxy's X-Request-Id is kept. Any other caller could forge the ids in the log.
    """
    given = meta.get("HTTP_X_REQUEST_ID", "") if is_proxied else ""
    # The id is not a secret, so the faster generator is enough.
    identifier = given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
    _request_id.set(identifier)
    _subject.set(None)
    return identifier


def request_id() -> str:
    """Return the id of the current request, or an empty string outside one."""
    return _request_id.get()


def about(subject: _Subject | None) -> None:
    """Add a key and its organization to every later line of this request."""
    _subject.set(subject)


def redact(line: str) -> str:
    return _OTHERS.sub(
        rf"\g<name>\g<proof>\g<token>\g<webhook>{REDACTED}", _KEYS.sub(rf"\1{REDACTED}", line)
    )


def _add_context(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if identifier := _request_id.get():
        event["request_id"] = identifier
    if subject := _subject.get():
        event["organization"] = encode("org", subject.organization_id)
        event["key"] = encode("key", subject.key_id)
    return event


def _drop_objects(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Drop the request that Django adds. Its repr contains the query string."""
    event.pop("request", None)
    return event


def _redact_line(logger: WrappedLogger, method: str, line: Any) -> str:
    return redact(line)


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """Format records of the standard library's logging. `form` is json or console."""

    def __init__(self, form: str) -> None:
        self._render: Any = structlog.processors.JSONRenderer()
        if form == "console":
            self._render = structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            )
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _add_context,
                _drop_objects,
                # Not dict_tracebacks, which would log local variables, and with them secrets.
                structlog.processors.format_exc_info,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                self._render,
                _redact_line,  # last, so that no later step can add a secret
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        # An argument's __str__ may raise anything, and logging would then print the arguments.
        except Exception as error:  # noqa: BLE001
            event = f"Cannot format this record, {type(error).__name__}: {record.msg!r}"
            return redact(
                self._render(
                    None,
                    "",
                    {"event": event, "level": record.levelname.lower(), "logger": record.name},
                )
            )


def configuration(level: str, form: str) -> dict[str, Any]:
    """Return the argument of logging.config.dictConfig."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "config.lib.logs.LineFormatter", "form": form}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr}
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level},
            "django.server": {"handlers": [], "propagate": True},
            # Do not log 4xx responses. Anyone can cause them and could fill the disk. Denials are
            # counted and recorded as usage.
            "django.request": {"level": "ERROR"},
        },
    }


def close_side_doors() -> None:
    """Stop the two prints to stderr that bypass redaction.

    Python prints the traceback of a crashed thread, and logging prints the arguments of a record
    that it fails to write.
    """
    logging.raiseExceptions = False
    threading.excepthook = _log_crashed_thread


def _log_crashed_thread(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is not None:
        error = (crash.exc_type, crash.exc_value, crash.exc_traceback)
        logging.getLogger(__name__).error(
            "Thread %s crashed", crash.thread.name if crash.thread else "", exc_info=error
        )


class GunicornLogger(glogging.Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Write gunicorn's error log and access log in the same format."""

    form = "json"

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            for handler in logger.handlers:
                handler.setFormatter(LineFormatter(self.form))
