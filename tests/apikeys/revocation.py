"""Take power away under load, and check that no request that starts after the response is accepted.

Run ``python -m tests.apikeys.revocation --trials 100``; test_revocation_under_load.py is the short
run.

Two independent servers share one PostgreSQL, each with two workers of four threads. Callers send
both of them two hundred requests a second, with warm leases. A third process makes the change, as a
page or a command would. With `--lease-here 0` that process assumes that no leases exist and answers
too early, which the run must detect.
"""

import argparse
import subprocess
import sys

from tests.servers.keyway import ROOT, KeywayServer
from tests.servers.postgres import PostgresServer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", default="3", help="trials of each way")
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
    options = parser.parse_args()
    settings = {
        "KEYWAY_LIMIT_KEY": "",
        "KEYWAY_LIMIT_ORGANIZATION": "",
        "KEYWAY_LEASE_MS": options.lease,
    }
    with PostgresServer() as postgres, KeywayServer(postgres.url, **settings) as first:
        second = KeywayServer(postgres.url, **settings)
        second.start()
        try:
            environment = first.environment | {
                "KEYWAY_LEASE_MS": options.lease_here or options.lease
            }
            command = [
                sys.executable,
                "-m",
                "tests.apikeys.revocation_trials",
                options.trials,
                *map(str, (first.port, second.port)),
            ]
            return subprocess.run(
                [*command, *options.ways], cwd=ROOT, env=environment, check=False
            ).returncode
        finally:
            second.stop()


if __name__ == "__main__":
    sys.exit(main())
