"""A worker with a test's own duties: ``python -m tests.config.lib.worker.program JOURNAL WORD…``.

A word ``name,every,lasts,takes`` is a duty, in seconds; it may take a time, or "fails" or "hangs".
Each run writes a line when it begins and one when it ends. ``grace=1`` shortens the wait for what
runs at SIGTERM. Other words are options of `work`.
"""

import os
import sys
import time
from datetime import timedelta
from functools import partial

import django
from django.core.management import call_command


def note(journal: str, event: str, name: str) -> None:
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{event} {name} {os.getpid()} {time.time()}\n".encode())
    os.close(descriptor)


def run(journal: str, name: str, takes: str) -> None:
    note(journal, "begin", name)
    if takes == "fails":
        raise OSError("the disk is on fire")
    time.sleep(1000 if takes == "hangs" else float(takes))
    note(journal, "end", name)


def main(journal: str, *words: str) -> None:
    django.setup()
    from config.lib.worker import duties, runner  # noqa: PLC0415

    duties._registered.clear()
    for word in words:
        if "," in word:
            name, every, lasts, takes = word.split(",")
            duties.register(
                name,
                every=timedelta(seconds=float(every)),
                lasts=timedelta(seconds=float(lasts)),
                run=partial(run, journal, name, takes),
            )
        elif word.startswith("grace="):
            runner.GRACE_SECONDS = float(word.removeprefix("grace="))
    call_command("work", *[word for word in words if word.startswith("--")])


if __name__ == "__main__":
    main(*sys.argv[1:])
