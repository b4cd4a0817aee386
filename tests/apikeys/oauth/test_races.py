"""Staged races: both requests pass validation before either is carried out."""

import threading

import pytest
from django.db import connection, connections
from django.test import Client

from apikeys import conf
from apikeys.oauth import token_format, tokens
from apikeys.oauth.errors import AlreadyUsed
from apikeys.oauth.models import AccessToken, Grant, RefreshToken
from apikeys.oauth.token_format import TokenKind
from apikeys.oauth.tokens import Minted
from tenants.models import User
from tests.apikeys.oauth.flow import Program, outcome


def minted() -> Minted:
    pepper = conf.peppers()[0]
    return Minted(
        token_format.mint(TokenKind.ACCESS, pepper).reveal(),
        token_format.mint(TokenKind.REFRESH, pepper).reveal(),
        ["read:audit-activity"],
    )


@pytest.mark.django_db
def test_refresh_race_has_one_winner(program: Program, bobs_browser: Client) -> None:
    program.tokens(bobs_browser)
    used = RefreshToken.objects.select_related("application", "membership__user").get()
    winner = minted()
    tokens.refresh(used=used, minted=winner)
    with pytest.raises(AlreadyUsed):
        tokens.refresh(used=used, minted=minted())
    assert outcome(winner.access) == (200, "")
    assert AccessToken.objects.count() == 1


@pytest.mark.django_db
def test_redeem_race_has_one_winner(program: Program, bobs_browser: Client) -> None:
    program.authorize(bobs_browser)
    grant = Grant.objects.select_related("application", "membership__user").get()
    winner = minted()
    tokens.redeem(grant=grant, minted=winner)
    with pytest.raises(AlreadyUsed):
        tokens.redeem(grant=grant, minted=minted())
    assert outcome(winner.access) == (200, "")
    assert AccessToken.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_refreshes_yield_one_pair(program: Program, bob: User) -> None:
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
