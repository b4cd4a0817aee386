"""How far everything has reached the server: what an agent that was killed goes on from."""

import json
from collections.abc import Iterable

from keyway_agent.errors import Misconfigured
from keyway_agent.outcomes import Item
from keyway_agent.state import StateDirectory

NAME = "cursor.json"


class Cursor:
    """`offsets` are the next bytes to send of each file, by its identity.

    `joined` are failures beyond those bytes that were already sent as part of the statement that failed.
    """

    def __init__(self, state: StateDirectory) -> None:
        self._state = state
        self.offsets: dict[str, int] = {}
        self.joined: set[tuple[str, int]] = set()
        content = state.read(NAME)
        self.is_new = content is None
        if content is not None:
            self._load(content)

    def advance(self, items: Iterable[Item]) -> None:
        """Take the items as delivered. Not yet durable: see save()."""
        for item in items:
            span = item.span
            self.offsets[span.file] = span.end
            self.joined.discard((span.file, span.start))
            if item.failed_at:
                self.joined.add((item.failed_at.file, item.failed_at.start))

    def save(self, *, existing: set[str]) -> None:
        """Make it durable. Files that are no longer there are forgotten."""
        self.offsets = {file: offset for file, offset in self.offsets.items() if file in existing}
        self.joined = {span for span in self.joined if span[0] in existing}
        content = {"version": 1, "offsets": self.offsets, "joined": sorted(self.joined)}
        self._state.replace(NAME, json.dumps(content).encode())

    def _load(self, content: bytes) -> None:
        try:
            saved = json.loads(content)
            self.offsets = {str(file): int(offset) for file, offset in saved["offsets"].items()}
            self.joined = {(str(file), int(start)) for file, start in saved["joined"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Misconfigured(
                f"StateDirectory: {self._state.path / NAME} is damaged. Without it every log is sent again; the server"
                " drops what it has. Remove it to do so."
            ) from error
