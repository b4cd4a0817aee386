"""The cursor: how far each log file has been delivered, and where a restarted agent resumes."""

import json
from collections.abc import Iterable

from keyway_agent.errors import Misconfigured
from keyway_agent.outcomes import Item
from keyway_agent.state import StateDirectory

NAME = "cursor.json"


class Cursor:
    """`offsets` maps each file's identity to the first byte not yet delivered.

    `joined` holds failures beyond those offsets that were already delivered as part of the
    statement that failed. Without it, a restart between the two records would send the failure
    a second time.
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
        """Mark the items as delivered, in memory only; save() makes it durable."""
        for item in items:
            span = item.span
            self.offsets[span.file] = span.end
            self.joined.discard((span.file, span.start))
            if item.failed_at:
                self.joined.add((item.failed_at.file, item.failed_at.start))

    def save(self, *, existing: set[str]) -> None:
        """Write the cursor durably, dropping files that no longer exist."""
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
            # Starting from an empty cursor would be safe for the data, but it resends every log:
            # that is the operator's decision.
            raise Misconfigured(
                f"StateDirectory: {self._state.path / NAME} is damaged. Remove it to send every"
                " log again; the server ignores events it already has."
            ) from error
