"""Take power away under load, and look whether anything that starts after the answer is still accepted.

``python -m tests.apikeys.revocation --trials 100`` for the long run; test_revocation_under_load.py is the short one.

Two servers that know nothing of each other share one PostgreSQL, each with two workers of four threads. Callers ask both,
warm, two hundred times a second. A process that is neither makes the change, as an admin's page or a command would.
`--lease-here 0` has it believe that nobody leases anything: then it answers too early, and that has to show.
"""

import argparse
import subprocess
import sys

from tests.servers.keyway import ROOT, KeywayServer
from tests.servers.postgres import PostgresServer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", default="3", help="of each way")
    parser.add_argument(
        "--ways",
        nargs="*",
        default=[],
        help="revoke, owner, scopes, organization; without any, all of them",
    )
    parser.add_argument("--lease", default="250", help="milliseconds, of the servers")
    parser.add_argument(
        "--lease-here",
        default=None,
        help="milliseconds that the process which makes the change waits",
    )
    asked = parser.parse_args()
    settings = {
        "KEYWAY_LIMIT_KEY": "",
        "KEYWAY_LIMIT_ORGANIZATION": "",
        "KEYWAY_LEASE_MS": asked.lease,
    }
    with PostgresServer() as postgres, KeywayServer(postgres.url, **settings) as first:
        second = KeywayServer(postgres.url, **settings)
        second.start()
        try:
            environment = first.environment | {"KEYWAY_LEASE_MS": asked.lease_here or asked.lease}
            command = [
                sys.executable,
                "-m",
                "tests.apikeys.revocation_trials",
                asked.trials,
                *map(str, (first.port, second.port)),
            ]
            return subprocess.run(
                [*command, *asked.ways], cwd=ROOT, env=environment, check=False
            ).returncode
        finally:
            second.stop()


if __name__ == "__main__":
    sys.exit(main())
