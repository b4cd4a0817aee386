"""Two at once, staged: both have been validated before either is carried out."""

import threading

import pytest
from django.db import connection, connections
from django.test import Client

from apikeys import conf
from apikeys.oauth import token_format, tokens
from apikeys.oauth.errors import AlreadyUsed
from apikeys.oauth.models import AccessToken, Grant, RefreshToken
from apikeys.oauth.token_format import Use
from apikeys.oauth.tokens import Minted
from tenants.models import User
from tests.apikeys.oauth.flow import Program, outcome


def minted() -> Minted:
    pepper = conf.peppers()[0]
    return Minted(
        token_format.mint(Use.ACCESS, pepper).reveal(),
        token_format.mint(Use.REFRESH, pepper).reveal(),
        ["read:audit-activity"],
    )


@pytest.mark.django_db
def test_of_two_refreshes_that_were_both_validated_one_wins(
    program: Program, bobs_browser: Client
) -> None:
    program.tokens(bobs_browser)
    used = RefreshToken.objects.select_related("application", "membership__user").get()
    winner = minted()
    tokens.refresh(used=used, minted=winner)
    with pytest.raises(AlreadyUsed):
        tokens.refresh(used=used, minted=minted())
    assert outcome(winner.access) == (200, "")
    assert AccessToken.objects.count() == 1


@pytest.mark.django_db
def test_of_two_redemptions_that_were_both_validated_one_wins(
    program: Program, bobs_browser: Client
) -> None:
    program.authorize(bobs_browser)
    grant = Grant.objects.select_related("application", "membership__user").get()
    winner = minted()
    tokens.redeem(grant=grant, minted=winner)
    with pytest.raises(AlreadyUsed):
        tokens.redeem(grant=grant, minted=minted())
    assert outcome(winner.access) == (200, "")
    assert AccessToken.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_refreshes_at_once_one_is_answered_with_tokens(program: Program, bob: User) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("an SQLite database in memory has one connection")
    browser = Client()
    browser.force_login(bob)
    token, statuses = program.tokens(browser)["refresh_token"], []
    barrier = threading.Barrier(4)

    def refresh() -> None:
        barrier.wait()
        statuses.append(program.refresh(token).status_code)
        connections.close_all()

    threads = [threading.Thread(target=refresh) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 400, 400, 400]
