"""The agent is a separate package, which the tests import from its source folder."""

import sys
from pathlib import Path

AGENT = Path(__file__).resolve().parents[2] / "clients" / "agent"
sys.path.insert(0, str(AGENT / "src"))
