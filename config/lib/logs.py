"""The log: one line an event, as JSON or for eyes, with the request and the key it is about, and with no secret in it.

What redacts is the last step, over the finished line: whatever way a secret took into it, as message, argument, extra,
exception or the repr of something, it has to pass there. Nothing here needs Django, for gunicorn logs before Django is.
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

# Any prefix, for an installation may have had others. What is left of a secret that was cut short is redacted as well.
_KEYS = re.compile(r"((?:live|test|oat|ort|oac|ocs)_)[0-9A-Za-z]{8,}")
_OTHERS = re.compile(
    r"""(?P<name>\b(?:bearer|basic)\s+(?=\S*[\d.=])|(?:__Host-)?keyway(?:-csrf)?=)[^\s"',;\\]+"""
    r"""|(?P<proof>\$argon2id\$)[^\s"'\\]+"""
    r"""|(?P<token>\beyJ)[\w-]{8,}(?:\.[\w-]*)*""",
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
    """Forget the request before this one, and name this one: as a trusted proxy did, otherwise anew."""
    given = meta.get("HTTP_X_REQUEST_ID", "") if is_proxied else ""
    # No secret, so it need not wait for the operating system.
    identifier = given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
    _request_id.set(identifier)
    _subject.set(None)
    return identifier


def request_id() -> str:
    """Return the id of the current request, or an empty string outside one."""
    return _request_id.get()


def about(subject: _Subject | None) -> None:
    """What is logged from here on, within this request, is about a key and its organization."""
    _subject.set(subject)


def redact(line: str) -> str:
    return _OTHERS.sub(rf"\g<name>\g<proof>\g<token>{REDACTED}", _KEYS.sub(rf"\1{REDACTED}", line))


def _add_context(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if identifier := _request_id.get():
        event["request_id"] = identifier
    if subject := _subject.get():
        event["organization"] = encode("org", subject.organization_id)
        event["key"] = encode("key", subject.key_id)
    return event


def _drop_objects(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Django adds the request, whose repr is an address with its query: nobody's business."""
    event.pop("request", None)
    return event


def _redact_line(logger: WrappedLogger, method: str, line: Any) -> str:
    return redact(line)


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats records of the standard library, which is what everything here logs with. `form` is json or console."""

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
                # Not its structured sister: that one shows local variables.
                structlog.processors.format_exc_info,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                self._render,
                _redact_line,
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001  whatever an argument's own __str__ raises; logging would print the arguments
            event = f"Not formatted, {type(error).__name__}: {record.msg!r}"
            return redact(
                self._render(
                    None,
                    "",
                    {"event": event, "level": record.levelname.lower(), "logger": record.name},
                )
            )


def configuration(level: str, form: str) -> dict[str, Any]:
    """For logging.config.dictConfig."""
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
            # Each refusal is counted and recorded as usage; a stranger shall not be able to fill a disk with lines.
            "django.request": {"level": "ERROR"},
        },
    }


def close_side_doors() -> None:
    """Have threads that die told of here, and a log that cannot be written not printed with its arguments."""
    logging.raiseExceptions = False
    threading.excepthook = _tell_of_thread


def _tell_of_thread(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is not None:
        error = (died.exc_type, died.exc_value, died.exc_traceback)
        logging.getLogger(__name__).error(
            "Thread %s died", died.thread.name if died.thread else "", exc_info=error
        )


class GunicornLogger(glogging.Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's own log and its access log, in the same lines."""

    form = "json"

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            for handler in logger.handlers:
                handler.setFormatter(LineFormatter(self.form))
