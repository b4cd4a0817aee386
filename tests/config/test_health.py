"""The health endpoints for load balancers and orchestrators."""

import os
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import DjangoAssertNumQueries, Settings

from config import __version__
from config.serving import health
from tests.wsgi import call


@pytest.fixture(autouse=True)
def _nothing_was_seen_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "readiness", health.Readiness())


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_healthz_needs_no_database_host_or_https(path: str, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = call(path, HTTP_HOST="10.0.0.7:8000")
    assert (response.status, response.body, response.headers["Cache-Control"]) == (
        200,
        f"alive {__version__}\n".encode(),
        "no-store",
    )
    assert call(path, REQUEST_METHOD="HEAD").body == b""


@pytest.mark.django_db
def test_readyz_succeeds_with_a_migrated_database(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = call("/readyz", HTTP_HOST="10.0.0.7:8000")
    assert (response.status, response.body) == (200, b"ready\n")


@pytest.mark.django_db
def test_readyz_fails_before_the_last_migration() -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="apikeys").latest("id")
    newest.delete()
    assert (call("/readyz").status, call("/readyz").body) == (503, b"not ready: migrations\n")


@pytest.mark.django_db
def test_not_ready_without_a_database_and_without_details(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away() -> None:
        raise OperationalError("connection to 10.1.2.3 refused for user keyway")

    monkeypatch.setattr(connection, "cursor", away)
    response = call("/readyz")
    assert (response.status, response.body) == (503, b"not ready: database\n")


@pytest.mark.django_db
def test_readyz_fails_with_a_read_only_spool(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEYWAY_SPOOL = str(tmp_path / "made" / "later")
    assert call("/readyz").status == 200
    monkeypatch.setattr(health, "readiness", health.Readiness())
    # Patch os.access instead of the folder's mode, because root, as in containers, ignores modes.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert call("/readyz").body == b"not ready: spool\n"


@pytest.mark.django_db
def test_frequent_calls_query_the_database_rarely(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("/readyz")
    with django_assert_num_queries(0):
        assert {call("/readyz").status for _ in range(50)} == {200}
    monkeypatch.setattr(health.readiness, "_checked_at", float("-inf"))
    with django_assert_num_queries(1):
        call("/readyz")
