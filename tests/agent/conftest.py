"""The agent is a package of its own: tests read it from where it lies, as its users install it from there."""

import sys
from pathlib import Path

AGENT = Path(__file__).resolve().parents[2] / "clients" / "agent"
sys.path.insert(0, str(AGENT / "src"))
