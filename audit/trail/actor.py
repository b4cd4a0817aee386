"""Who did it, and to what: copied as text, so that the trail still reads when both are gone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    kind: str
    id: str
    name: str
    address: str = ""

    @classmethod
    def system(cls, name: str) -> "Actor":
        """A command or a startup step, e.g. ``Actor.system("seed_demo")``."""
        return cls(kind="system", id="", name=name)


@dataclass(frozen=True, slots=True)
class Target:
    kind: str
    id: str
    name: str
