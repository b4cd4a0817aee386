"""`Idempotency-Key`: one request issues one key, however often and however many at once it is sent."""

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


def ask(client: Client, key: str = "one", **body: object) -> Any:
    return send(client, body=GOOD | body, **{"Idempotency-Key": key})


def test_a_replay_tells_of_the_key_without_its_secret_and_issues_nothing(bob: User) -> None:
    client = client_of(bob)
    first, again = ask(client), ask(client)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.headers.get("Idempotent-Replayed"), again.headers.get("Idempotent-Replayed")) == (
        None,
        "true",
    )
    told = first.json()
    assert told.pop("key") not in again.content.decode()
    assert again.json() == told | {"secret_shown": True}
    assert (Key.objects.count(), Secret.objects.count()) == (1, 1)


def test_the_order_of_the_fields_makes_no_other_body(bob: User) -> None:
    client = client_of(bob)
    ask(client, description="x")
    again = send(
        client,
        body=dict(reversed((GOOD | {"description": "x"}).items())),
        **{"Idempotency-Key": "one"},
    )
    assert again.headers["Idempotent-Replayed"] == "true"


def test_another_body_is_refused(bob: User) -> None:
    client = client_of(bob)
    ask(client)
    refused = ask(client, name="Something else")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert Key.objects.count() == 1


def test_two_callers_who_choose_the_same_do_not_meet(alice: User, bob: User) -> None:
    bobs = client_of(bob)
    manager = create(bobs, scopes=["manage:api-keys", "read:audit-activity"]).json()["key"]
    answers = [ask(client) for client in (bobs, client_of(alice), api(HTTP_X_API_KEY=manager))]
    assert all("key" in answer.json() for answer in answers)
    assert Key.objects.count() == 4


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_a_key_that_cannot_be_is_refused(key: str, bob: User) -> None:
    answer = ask(client_of(bob), key)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["Idempotency-Key"])
    assert not Key.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
def test_eight_at_once_issue_one_key_whose_secret_one_of_them_is_told(bob: User) -> None:
    clients = [client_of(bob) for _ in range(8)]
    answers: list[Any] = []
    barrier = threading.Barrier(len(clients))

    def run(client: Client) -> None:
        barrier.wait()
        try:
            answers.append(ask(client))
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
