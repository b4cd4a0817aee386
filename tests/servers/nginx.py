"""Real nginx servers on loopback, with a given configuration of the `http` block."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

MISSING = "nginx was not found. Install it: apt-get install nginx-light"
STARTUP_SECONDS = 60

_AROUND = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def find_nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


class NginxServer:
    """Use as a context manager. The configuration `site` listens on `port`.

    `log` is nginx's error log.
    """

    def __init__(self, site: str, *, port: int) -> None:
        binary = find_nginx()
        if binary is None:
            raise RuntimeError(MISSING)
        self._binary = binary
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix="keyway-nginx-"))
        self.log = self.folder / "error.log"
        (self.folder / "site.conf").write_text(site)
        (self.folder / "nginx.conf").write_text(_AROUND.format(folder=self.folder))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [self._binary, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start:\n{(self.folder / 'output').read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
