"""The command line of the agent."""

import argparse
import dataclasses
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from keyway_agent import __version__
from keyway_agent.agent import Agent
from keyway_agent.answers import Refused, TemporaryFailure
from keyway_agent.errors import REFUSED, STOPPED, UNREACHABLE, AgentError, Misconfigured
from keyway_agent.log_directory import LogDirectory
from keyway_agent.log_time import LogClock
from keyway_agent.server import Server
from keyway_agent.settings import DEFAULT_RATE, Settings, Simulation, load, simulation
from keyway_agent.state import StateDirectory

logger = logging.getLogger("keyway_agent")

STATUSES = """\
exit status:
   0  stopped as told, or --once is done
   2  the command line was not understood
  74  StateDirectory cannot be written
  75  --once or --check: the server cannot be reached
  77  the server refuses the key for good; starting again would not help, a new key would
  78  the configuration, or the log that it names, cannot be used
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    try:
        return (
            _check(_settings(options))
            if options.check
            else _run(_settings(options), once=options.once)
        )
    except Refused as refusal:
        logger.critical(
            "%s Stopped sending; the place is kept. Issue a new key, put it into AgentApiKey, start again.",
            refusal,
        )
        return REFUSED
    except TemporaryFailure as failure:
        logger.error("%s.", failure)
        return UNREACHABLE
    except AgentError as error:
        logger.critical("%s", error)
        return error.status


def _run(settings: Settings, *, once: bool) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    state = StateDirectory(settings.state_directory)
    try:
        logger.info(
            "keyway-agent %s for %s, sending to %s.",
            __version__,
            settings.host,
            settings.server_url,
        )
        Agent(settings, state=state, stop=stop, once=once).run()
    finally:
        state.release()
    logger.info("Stopped.")
    return STOPPED


def _check(settings: Settings) -> int:
    """Say what the configuration comes to. Changes nothing, and may be asked beside a running agent."""
    place = settings.state_directory
    existing = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        raise Misconfigured(f"StateDirectory: cannot write in {existing}.")
    identity = Server(settings).whoami()
    organization = identity.get("organization") or {}
    lines = [
        f"server        {settings.server_url}",
        f"organization  {organization.get('name')} ({organization.get('slug')})",
        f"key           {identity.get('name')} ({identity.get('key_id')})",
        f"kind          {identity.get('kind')}, {identity.get('environment')}",
        f"scopes        {', '.join(identity.get('scopes') or [])}",
        f"expires       {identity.get('expires_at') or 'never'}",
        f"host          {settings.host}",
        f"source        {_describe_source(settings)}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    if identity.get("kind") != "agent":
        raise Refused("wrong_key_type", "This is not an agent key.")
    return STOPPED


def _describe_source(settings: Settings) -> str:
    if isinstance(settings.source, Simulation):
        return f"simulated SQL Server, {settings.source.events_per_second:g} events a second"
    files = LogDirectory(settings.source.path, LogClock(settings.source.zone)).files()
    return f"{settings.source.path}: {len(files)} csvlog files, {sum(file.size for file in files)} bytes"


def _settings(options: argparse.Namespace) -> Settings:
    settings = load(options.config)
    for warning in settings.warnings:
        logger.warning("%s", warning)
    if options.simulate is not None:
        return dataclasses.replace(settings, source=simulation(options.simulate))
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keyway-agent",
        description="Tails a PostgreSQL server's CSV log and sends what happened to Keyway.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", required=True, type=Path, help="the configuration file, agent.json"
    )
    parser.add_argument(
        "--check", action="store_true", help="validate it, and say who the server takes us for"
    )
    parser.add_argument("--once", action="store_true", help="send what is there, then stop")
    parser.add_argument(
        "--simulate",
        nargs="?",
        type=float,
        const=DEFAULT_RATE,
        metavar="RATE",
        help=f"send a simulated SQL Server's events instead, RATE a second ({DEFAULT_RATE:g})",
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.add_argument("--version", action="version", version=f"keyway-agent {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
