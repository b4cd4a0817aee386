"""`Idempotency-Key`: repeated and concurrent copies of a request issue one key."""

import threading
from typing import Any

import pytest
from django.db import connection, connections  # noqa: F401  skipif reads connection
from django.test import Client

from apikeys.models import Key, Secret
from tenants.models import User
from tests.apikeys.test_keys_api import GOOD, create, send
from tests.conftest import api, client_of

pytestmark = pytest.mark.django_db


def create_idempotently(client: Client, key: str = "one", **body: object) -> Any:
    return send(client, body=GOOD | body, **{"Idempotency-Key": key})


def test_replay_returns_the_key_without_its_secret(bob: User) -> None:
    client = client_of(bob)
    first, again = create_idempotently(client), create_idempotently(client)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.headers.get("Idempotent-Replayed"), again.headers.get("Idempotent-Replayed")) == (
        None,
        "true",
    )
    created = first.json()
    assert created.pop("key") not in again.content.decode()
    assert again.json() == created | {"secret_shown": True}
    assert (Key.objects.count(), Secret.objects.count()) == (1, 1)


def test_replay_ignores_the_order_of_fields(bob: User) -> None:
    client = client_of(bob)
    create_idempotently(client, description="x")
    again = send(
        client,
        body=dict(reversed((GOOD | {"description": "x"}).items())),
        **{"Idempotency-Key": "one"},
    )
    assert again.headers["Idempotent-Replayed"] == "true"


def test_reused_key_with_another_body_is_refused(bob: User) -> None:
    client = client_of(bob)
    create_idempotently(client)
    refused = create_idempotently(client, name="Something else")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert Key.objects.count() == 1


def test_idempotency_keys_are_per_caller(alice: User, bob: User) -> None:
    bobs = client_of(bob)
    manager = create(bobs, scopes=["manage:api-keys", "read:audit-activity"]).json()["key"]
    answers = [
        create_idempotently(client)
        for client in (bobs, client_of(alice), api(HTTP_X_API_KEY=manager))
    ]
    assert all("key" in answer.json() for answer in answers)
    assert Key.objects.count() == 4


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_invalid_idempotency_key_is_refused(key: str, bob: User) -> None:
    answer = create_idempotently(client_of(bob), key)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["Idempotency-Key"])
    assert not Key.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
def test_concurrent_copies_reveal_one_secret(bob: User) -> None:
    clients = [client_of(bob) for _ in range(8)]
    answers: list[Any] = []
    barrier = threading.Barrier(len(clients))

    def run(client: Client) -> None:
        barrier.wait()
        try:
            answers.append(create_idempotently(client))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert sum("key" in answer.json() for answer in answers) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Key.objects.count() == 1
