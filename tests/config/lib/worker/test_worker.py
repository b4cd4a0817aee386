"""Real workers share their duties, through kills, hangs, failures and outages."""

import re
import signal
import time
from itertools import pairwise

import pytest

from tests.config.lib.worker.conftest import Workers, on_both, on_postgresql
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.server


@on_both
def test_two_workers_run_each_duty_once_a_period(workers: Workers) -> None:
    duties = ("slow,6,9,0.1", "quick,1,9,0.1")
    first, second = workers.start(*duties), workers.start(*duties)
    workers.wait_for(2, duty="slow")
    slow, quick = (workers.events("begin", duty) for duty in ("slow", "quick"))
    assert all(later.at - earlier.at > 5.9 for earlier, later in pairwise(slow))
    assert all(later.at - earlier.at > 0.9 for earlier, later in pairwise(quick))
    assert len(quick) >= 4
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
    assert [process.wait(30) for process in (first, second)] == [0, 0]


@on_both
def test_killed_worker_is_replaced_in_mid_duty(workers: Workers) -> None:
    first = workers.start("long,60,2,hangs")
    (begun,) = workers.wait_for(1)
    workers.start("long,60,2,0")
    time.sleep(3)
    assert len(workers.events("begin")) == 1, "the first one renews its claim"
    first.kill()
    killed = time.time()
    _, taken = workers.wait_for(2)
    assert taken.pid != begun.pid
    assert taken.at - killed < 15
    assert workers.wait_for(1, "end")[0].pid == taken.pid


def test_a_duty_that_hangs_delays_no_other(workers: Workers) -> None:
    workers.start("stuck,60,9,hangs", "quick,1,9,0")
    assert len(workers.wait_for(4, "end", "quick")) >= 4
    assert len(workers.events("begin", "stuck")) == 1


def test_what_runs_at_sigterm_ends_and_nothing_new_begins(workers: Workers) -> None:
    worker = workers.start("long,60,9,2", "quick,1,9,0")
    workers.wait_for(1, "begin", "long")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert len(workers.events("end", "long")) == 1
    assert len(workers.events("begin")) == len(workers.events("end"))
    assert "Worker stops" in workers.log.read_text()


def test_hanging_duty_does_not_keep_a_worker_alive(workers: Workers) -> None:
    worker = workers.start("stuck,60,9,hangs", "grace=1")
    workers.wait_for(1)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(30) == 0
    assert "without waiting for stuck" in workers.log.read_text()


def test_a_stopped_worker_gives_its_duties_back_at_once(workers: Workers) -> None:
    first = workers.start("quick,1,300,0")
    workers.wait_for(2)
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    done = len(workers.events("begin"))
    second = workers.start("quick,1,300,0")
    assert workers.wait_for(done + 1)[-1].pid == second.pid


def test_a_failing_duty_backs_off_and_keeps_its_error(workers: Workers) -> None:
    workers.start("broken,60,9,fails")
    first, second, third = workers.wait_for(3)[:3]
    assert second.at - first.at >= 2
    assert third.at - second.at >= 4
    workers.wait_for_log("broken failed, 3 in a row; next try in 8 s: OSError: the disk is on fire")
    listed = workers.run("--list", "broken,60,9,fails").stdout
    assert re.search(r"broken  .*never +OSError: the disk is on fire \(\d in a row\)", listed)


def test_once_runs_what_is_due_and_tells_of_a_failure(workers: Workers) -> None:
    done = workers.run("--once", "good,60,9,0", "better,60,9,0")
    assert (done.returncode, sorted(done.stdout.split("\n"))) == (
        0,
        ["", "better: done", "good: done"],
    )
    again = workers.run("--once", "good,60,9,0", "broken,60,9,fails")
    assert again.returncode == 1
    assert again.stdout == "broken: OSError: the disk is on fire\n", "good is not due"
    named = workers.run("--once", "--duty=good", "good,60,9,0", "broken,60,9,fails")
    assert (named.returncode, named.stdout) == (0, "good: done\n")
    assert "There are: good" in workers.run("--once", "--duty=bad", "good,60,9,0").stderr


@on_both
def test_once_does_not_run_what_another_worker_runs(workers: Workers) -> None:
    workers.start("long,60,9,hangs")
    workers.wait_for(1)
    refused = workers.run("--once", "--duty=long", "long,60,9,0")
    assert refused.returncode == 1
    assert "Another worker is running long" in refused.stderr
    assert "running" in workers.run("--list", "long,60,9,0").stdout


@on_postgresql
def test_worker_survives_a_database_outage(workers: Workers, postgres: PostgresServer) -> None:
    worker = workers.start("quick,1,9,0", "slow,3600,9,0", "steady,6,9,0")
    workers.wait_for(2, "begin", "quick")
    postgres.kill()
    time.sleep(6)
    assert worker.poll() is None
    postgres.start()
    workers.wait_for_log("The database is back")
    done = len(workers.events("begin", "steady"))
    workers.wait_for(done + 1, "begin", "steady")
    assert workers.log.read_text().count("No duty is claimed") == 1
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
