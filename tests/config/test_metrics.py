"""The metrics for Prometheus, who can read them, and what they never contain."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from prometheus_client import Histogram
from pytest_django import Settings

from apikeys.services import Issued
from config.lib import metrics
from tests.conftest import api
from tests.servers.keyway import KeywayServer
from tests.wsgi import Answer, call

TOKEN = "a token that only Prometheus has"


@pytest.fixture
def token(settings: Settings, db: None) -> str:
    """Set the token, and use the test's database."""
    settings.KEYWAY_METRICS_TOKEN = TOKEN
    return TOKEN


def read() -> Answer:
    return call("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")


def sample(answer: Answer | requests.Response, name: str) -> float:
    """Return the value of one series, or 0 if it does not exist yet."""
    text = answer.body.decode() if isinstance(answer, Answer) else answer.text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_without_a_configured_token_metrics_are_404() -> None:
    for headers in ({}, {"HTTP_AUTHORIZATION": "Bearer "}, {"REMOTE_ADDR": "127.0.0.1"}):
        assert call("/metrics", **headers).status == 404


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        TOKEN,
        "Bearer \xff",
        f"Bearer {TOKEN} {TOKEN}",
    ],
)
def test_only_callers_with_the_token_read_metrics(header: str, token: str) -> None:
    assert read().status == 200
    refused = call("/metrics", HTTP_AUTHORIZATION=header)
    assert (refused.status, refused.body) == (401, b"")
    assert "WWW-Authenticate" in refused.headers


@pytest.mark.django_db
def test_requests_are_counted_by_pattern_and_never_by_path(token: str, public_key: Issued) -> None:
    names = {
        "api": 'keyway_requests_total{method="GET",route="/api/v1/whoami",status="200"}',
        "gateway": 'keyway_requests_total{method="GET",route="/api/v1/verify",status="204"}',
        "page": 'keyway_requests_total{method="GET",route="/o/<slug:slug>/",status="302"}',
        "nothing": 'keyway_requests_total{method="OTHER",route="none",status="404"}',
        "accepted": 'keyway_presentations_total{outcome="accepted"}',
        "refused": 'keyway_presentations_total{outcome="invalid_key"}',
        "timed": 'keyway_request_seconds_count{surface="verify"}',
    }
    before = {name: sample(read(), series) for name, series in names.items()}
    secret, host = public_key.plaintext.reveal(), {"HTTP_HOST": "testserver"}
    call("/api/v1/whoami", HTTP_X_API_KEY=secret, **host)
    call("/api/v1/verify", HTTP_X_API_KEY=secret)
    call("/o/acme/", **host)
    call("/no/such/page", REQUEST_METHOD="BREW", **host)
    call("/api/v1/whoami", HTTP_X_API_KEY="nonsense", **host)
    after = {name: sample(read(), series) - before[name] for name, series in names.items()}
    assert after == dict.fromkeys(names, 1.0) | {"accepted": 2.0}


@pytest.mark.django_db
def test_labels_name_no_key_organization_or_user(
    token: str, public_key: Issued, agent_key: Issued
) -> None:
    for issued in (public_key, agent_key):
        api(issued).get("/api/v1/whoami")
        api(issued).get("/api/v1/public/audit-activity")
    text = read().body.decode()
    assert "keyway_requests_total" in text
    key = public_key.key
    for identity in (
        key.public_id,
        key.pk.hex,
        str(key.pk),
        "acme",
        "bob",
        key.organization.public_id,
        "sk_live",
        "192.0.2",
    ):
        assert identity not in text


def test_spool_size_is_measured(token: str, settings: Settings, tmp_path: Path) -> None:
    settings.KEYWAY_SPOOL = str(tmp_path / "none")
    assert sample(read(), "keyway_spool_bytes") == 0
    (tmp_path / "a.seg").write_bytes(b"x" * 1000)
    settings.KEYWAY_SPOOL = str(tmp_path)
    assert sample(read(), "keyway_spool_bytes") == 1000


def test_durations_are_the_same_as_from_prometheus_client() -> None:
    took = [0.0, 0.001, 0.0011, 0.3, 10.0, 99.0]
    theirs = Histogram("theirs", "", registry=None, buckets=metrics.SECONDS)
    ours = Histogram("ours", "", registry=None, buckets=metrics.SECONDS)
    for seconds in took:
        theirs.observe(seconds)
    metrics._observe(ours, took)
    series = [
        [
            (sample.name.split("_")[-1], sample.labels, sample.value)
            for sample in next(iter(one.collect())).samples
        ]
        for one in (theirs, ours)
    ]
    assert series[0][:-1] == series[1][:-1]  # the last sample is the time of creation


def test_counting_during_a_hand_over_loses_nothing(token: str) -> None:
    series = 'keyway_presentations_total{outcome="tests"}'
    before = sample(read(), series)

    def count(_: int) -> None:
        for _ in range(5000):
            metrics.count_presentation("tests")
            metrics.hand_over()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(4)))
    assert sample(read(), series) - before == 20_000


def test_reading_during_a_hand_over_misses_nothing(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = 'keyway_request_seconds_count{surface="pages"}'
    before, taken, observe = sample(read(), series), threading.Event(), metrics._observe

    def slowly(histogram: Histogram, seconds: Sequence[float]) -> None:
        taken.set()
        time.sleep(0.2)
        observe(histogram, seconds)

    monkeypatch.setattr(metrics, "_observe", slowly)
    metrics.count_request(route="/", method="GET", status=200, began=time.perf_counter())
    other = threading.Thread(target=metrics.hand_over)
    other.start()
    assert taken.wait(10)
    assert sample(read(), series) - before == 1
    other.join()


@pytest.fixture(scope="module")
def server() -> Iterator[KeywayServer]:
    with KeywayServer(KEYWAY_METRICS_TOKEN=TOKEN) as running:
        yield running


@pytest.mark.server
def test_any_process_reports_the_sum_of_all(server: KeywayServer) -> None:
    headers = {"X-API-Key": server.key(kind="public", environment="live")["secret"]}
    for _ in range(50):  # each on its own connection, so that both workers serve some
        assert (
            requests.get(f"{server.url}/api/v1/verify", headers=headers, timeout=10).status_code
            == 204
        )
    verified = 'keyway_requests_total{method="GET",route="/api/v1/verify",status="204"}'

    def fetch() -> requests.Response:
        return requests.get(
            f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
        )

    until = time.monotonic() + 20
    while sample(fetch(), verified) < 50:
        assert time.monotonic() < until
        time.sleep(metrics.HAND_OVER_SECONDS)
    for _ in range(6):
        response = fetch()
        assert sample(response, verified) == 50
        assert sample(response, 'keyway_presentations_total{outcome="accepted"}') == 50
        assert sample(response, "keyway_spool_limit_bytes") == 1024**3
