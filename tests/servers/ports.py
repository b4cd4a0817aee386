"""Ports for the servers that tests start."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

LOWEST = 10_100  # browsers refuse to open 10080
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
# A lock lasts as long as its descriptor, so no other test process gets the same port.
_reserved: list[int] = []
# pytest-randomly seeds `random` alike in every process.
_dice = random.SystemRandom()


def free_port() -> int:
    """Reserve a port on loopback until this process ends.

    A bind to port 0 would be a race. The kernel takes that port from the range of outgoing
    connections, and one of those may take it again before the server listens.
    """
    for _ in range(1000):
        port = _dice.randrange(LOWEST, _first_outgoing())
        if _is_reserved_by_us(port) and _is_unused(port):
            return port
    raise RuntimeError("No port is free")


def _first_outgoing() -> int:
    first = int(_OUTGOING.read_text().split()[0]) if _OUTGOING.exists() else 32_768
    return first if first > LOWEST + 1000 else 65_536


def _is_reserved_by_us(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"keyway-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _reserved.append(descriptor)
    return True


def _is_unused(port: int) -> bool:
    with socket.socket() as probe:
        # Like the servers, ignore connections that an earlier server left in TIME_WAIT.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
