"""Command line of the agent."""

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
   0  stopped on request, or --once has finished
   2  invalid command line
  74  StateDirectory cannot be read or written
  75  --once or --check: the server cannot be reached
  77  the server permanently refuses the key; restarting does not help, a new key does
  78  the configuration or the log it names cannot be used
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
            "%s The agent stopped and kept its position in the log."
            " Create a new key, set AgentApiKey to it, and restart the agent.",
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
    """Print what the configuration resolves to. Read-only: safe beside a running agent."""
    # Do not open a StateDirectory here: it creates the directory and fails beside a running agent.
    state = settings.state_directory
    existing = next(folder for folder in (state, *state.absolute().parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        raise Misconfigured(f"StateDirectory: cannot write to {existing}.")
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
        return f"simulated SQL Server, {settings.source.events_per_second:g} events per second"
    files = LogDirectory(settings.source.path, LogClock(settings.source.zone)).files()
    size = sum(file.size for file in files)
    return f"{settings.source.path}: {len(files)} csvlog files, {size} bytes"


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
        description="Tail a PostgreSQL server's CSV log and send its audit events to Keyway.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", required=True, type=Path, help="path of the configuration file, agent.json"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="validate the configuration, show what the key grants, and exit",
    )
    parser.add_argument(
        "--once", action="store_true", help="send everything logged so far, then exit"
    )
    parser.add_argument(
        "--simulate",
        nargs="?",
        type=float,
        const=DEFAULT_RATE,
        metavar="RATE",
        help="send a simulated SQL Server's events instead,"
        f" RATE per second (default {DEFAULT_RATE:g})",
    )
    parser.add_argument("--verbose", action="store_true", help="log at DEBUG level")
    parser.add_argument("--version", action="version", version=f"keyway-agent {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
