"""Generate load with wrk, a separate process that costs little next to any of the servers."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
local requests, turn = {}, 0
init = function()
  for line in io.lines("%s") do
    local headers = {}
    local name, value = line:match("^([^:]+): (.*)$")
    if name then headers[name] = value end
    requests[#requests + 1] = wrk.format("GET", nil, headers)
  end
end
request = function()
  turn = turn %% #requests + 1
  return requests[turn]
end
done = function(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\\n{"requests": %%d, "microseconds": %%d, "refused": %%d, ' ..
    '"broken": %%d, "p50": %%d, "p99": %%d}\\n', summary.requests, summary.duration, errors.status,
    broken, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """`rate` is in requests per second, `p50` and `p99` are in milliseconds."""

    rate: float
    p50: float
    p99: float
    refused: int


def need() -> None:
    if shutil.which("wrk") is None:
        sys.exit("The benchmark requires wrk. Run: apt-get install wrk")


def drive(
    url: str,
    headers: Sequence[str],
    *,
    seconds: int,
    connections: int = 8,
    is_refused: bool = False,
) -> Reading:
    """Request `url` as fast as `connections` allow, with each header line in turn.

    Exits the benchmark on any error.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines, script = Path(folder) / "headers", Path(folder) / "load.lua"
        lines.write_text("".join(f"{header}\n" for header in headers or ["X-Nothing: here"]))
        script.write_text(SCRIPT % lines)
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            "20s",
            "-s",
            str(script),
            url,
        ]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = json.loads(printed.strip().splitlines()[-1])
    if result["broken"] or bool(result["refused"]) != is_refused:
        sys.exit(f"{url} did not answer as expected: {result}")
    rate = result["requests"] / result["microseconds"] * 1e6
    return Reading(rate, result["p50"] / 1000, result["p99"] / 1000, result["refused"])
