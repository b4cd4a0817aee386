"""Who made a change, and to what.

Both are copied into the entry as text, so that it stays readable after they are deleted.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    kind: str
    id: str
    name: str
    address: str = ""

    @classmethod
    def system(cls, name: str) -> "Actor":
        """Return the actor for a command or startup step: ``Actor.system("seed_demo")``."""
        return cls(kind="system", id="", name=name)


@dataclass(frozen=True, slots=True)
class Target:
    kind: str
    id: str
    name: str
