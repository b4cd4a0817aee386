"""Run the proofs that take too long for the gate: ``python -m tests.proofs [NAME…]``.

The gate runs a short form of each. All of them take hours; the bench and ``python -m tests.repeat``
want a machine with nothing else to do, so they stay commands of their own.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = (sys.executable, "-m")
ON_POSTGRESQL = (*PYTHON, "tests.servers.postgres", "--")
PROOFS = {
    "usage": (*PYTHON, "tests.apikeys.usage.crash", "--requests", "1000000"),
    "revocation": (*PYTHON, "tests.apikeys.revocation", "--trials", "100"),
    "rotation": (*PYTHON, "tests.agent.rotation", "--agents", "50"),
    "fuzz": (*PYTHON, "tests.fuzz", "--examples", "500"),
    "escalation": (
        *ON_POSTGRESQL,
        *PYTHON,
        "pytest",
        "-q",
        "-s",
        "tests/apikeys/test_escalation.py",
    ),
}
SETTINGS = {"escalation": {"KEYWAY_ESCALATION_SEQUENCES": "10000"}}


def main(names: list[str]) -> int:
    if unknown := set(names) - set(PROOFS):
        print(f"Unknown: {', '.join(sorted(unknown))}. There are {', '.join(PROOFS)}.")
        return 2
    failed = [name for name in names or PROOFS if not holds(name)]
    print(f"Failed: {', '.join(failed)}" if failed else "Every proof holds.")
    return 1 if failed else 0


def holds(name: str) -> bool:
    began, environment = time.monotonic(), os.environ | SETTINGS.get(name, {})
    status = subprocess.run(PROOFS[name], cwd=ROOT, env=environment, check=False).returncode
    minutes = (time.monotonic() - began) / 60
    print(f"{name}: {'holds' if not status else 'FAILED'}, {minutes:.0f} min", flush=True)
    return not status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
