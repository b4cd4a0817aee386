"""gunicorn's configuration: ``gunicorn -c config/serving/gunicorn.py config.wsgi``."""

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from config.lib.logs import GunicornLogger

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("KEYWAY_THREADS", "4"))
# gunicorn would open its control socket in the home directory, and Keyway does not use it.
control_socket_disable = True
max_requests = 0
graceful_timeout = 15
timeout = 60
keepalive = 30
GunicornLogger.form = os.environ.get("KEYWAY_LOG_FORMAT", "json")
logger_class = GunicornLogger
accesslog = os.environ.get("KEYWAY_ACCESS_LOG") or None
# Omits the query string, which may hold a private search, and all headers but User-Agent, because
# keys are sent in headers.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(M)sms "%(a)s"'

# Processes count requests in files in this directory, so that each can report the sum. It must be
# set before a worker imports config.lib.metrics.
_OURS = "keyway-metrics-"
_counts = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or tempfile.mkdtemp(prefix=_OURS))
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_counts)


def on_starting(server: Any) -> None:
    _counts.mkdir(parents=True, exist_ok=True)
    for left in _counts.glob("*.db"):
        left.unlink()


def post_worker_init(worker: Any) -> None:
    """Exclude everything loaded so far from garbage collection, because it is never freed."""
    gc.collect()
    gc.freeze()


def on_exit(server: Any) -> None:
    if _counts.name.startswith(_OURS):
        shutil.rmtree(_counts, ignore_errors=True)
