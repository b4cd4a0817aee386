"""The server's orders as the agent has them: asked for with an ETag, kept for a start without a server."""

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
    """`orders` are in force. The heartbeat's thread sets `changed`; only the main thread asks."""

    def __init__(self, server: Server, state: StateDirectory) -> None:
        self._server, self._state = server, state
        self._etag = ""
        self.current = Configuration()
        self.changed = threading.Event()
        self.changed.set()
        self._load_saved()

    def note_version(self, version: object) -> None:
        """Take the version that the server has."""
        if version != self.current.version:
            self.changed.set()

    def refresh(self) -> None:
        """Ask for the orders if they may have changed. Without an answer the old ones stay. Raises Refused."""
        if not self.changed.is_set():
            return
        self.changed.clear()  # a heartbeat that finds them different still will set it again
        try:
            answer = self._server.configuration(self._etag)
            if answer is None:
                return
            content, etag = answer
            self.current = read_configuration(content)
        except TemporaryFailure as failure:
            logger.warning(
                "No configuration from the server (%s); going on with %s.",
                failure,
                self._description(),
            )
        except (KeyError, TypeError, ValueError) as error:
            logger.error(
                "The server's configuration cannot be understood (%r); going on with %s.",
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
            logger.warning("%s is damaged; asking the server again.", NAME)

    def _description(self) -> str:
        version = self.current.version
        return (
            "the defaults: everything is sent"
            if version is None
            else f"configuration version {version}"
        )
