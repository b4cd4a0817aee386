"""The configuration an administrator set on the server: fetched with an ETag, cached on disk.

The cached copy lets the agent start while the server is unreachable.
"""

import json
import logging
import threading

from keyway_agent.answers import TemporaryFailure
from keyway_agent.configuration import Configuration, read_configuration
from keyway_agent.server import Server
from keyway_agent.state import StateDirectory

logger = logging.getLogger(__name__)

NAME = "configuration.json"


class RemoteConfiguration:
    """`current` is the configuration in force.

    The heartbeat thread only sets `changed`; fetching and replacing `current` is left to the main
    thread, so neither needs a lock.
    """

    def __init__(self, server: Server, state: StateDirectory) -> None:
        self._server, self._state = server, state
        self._etag = ""
        self.current = Configuration()
        self.changed = threading.Event()
        self.changed.set()
        self._load_saved()

    def note_version(self, version: object) -> None:
        """Note the version the server reports; a different one is fetched by the next refresh."""
        if version != self.current.version:
            self.changed.set()

    def refresh(self) -> None:
        """Fetch the configuration if it may have changed. Raises Refused.

        After any other failure the current one stays in force.
        """
        if not self.changed.is_set():
            return
        # Clear before fetching: cleared afterwards, a change noted meanwhile would be lost. If
        # the fetch fails, the next heartbeat sees the old version and sets it again.
        self.changed.clear()
        try:
            answer = self._server.configuration(self._etag)
            if answer is None:
                return
            content, etag = answer
            self.current = read_configuration(content)
        except TemporaryFailure as failure:
            logger.warning(
                "Cannot fetch the configuration (%s); continuing with %s.",
                failure,
                self._description(),
            )
        except (KeyError, TypeError, ValueError) as error:
            logger.error(
                "The server sent an invalid configuration (%r); continuing with %s.",
                error,
                self._description(),
            )
        else:
            self._etag = etag
            self._state.replace(NAME, json.dumps({"etag": etag, "configuration": content}).encode())
            logger.info("Applied %s.", self._description())

    def _load_saved(self) -> None:
        try:
            saved = json.loads(self._state.read(NAME) or b"{}")
            if saved:
                self.current, self._etag = (
                    read_configuration(saved["configuration"]),
                    str(saved["etag"]),
                )
        except (KeyError, TypeError, ValueError):
            logger.warning("%s is damaged; fetching the configuration again.", NAME)

    def _description(self) -> str:
        version = self.current.version
        return (
            "the defaults, which send everything"
            if version is None
            else f"configuration version {version}"
        )
