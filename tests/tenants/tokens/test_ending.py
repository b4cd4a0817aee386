"""Everything that ends a sign-in revokes its access tokens from the next request on."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import TrailEntry
from audit.trail.actions import Action
from config.lib.worker import duties
from tenants import services as tenants
from tenants.models import User
from tenants.sign_in.tokens.errors import InvalidToken
from tenants.sign_in.tokens.models import TokenFamily
from tenants.sign_in.tokens.services import TokenPair
from tests.conftest import PASSWORD, SYSTEM, api, client_of, membership_of
from tests.tenants.tokens.forge import HOUR, accepted, refreshed, signed_in

pytestmark = pytest.mark.django_db
LOGOUT, ME = "/api/v1/auth/logout", "/api/v1/auth/me"
OTHER = "a horse of another colour"


def status(pair: TokenPair) -> int:
    return int(api(HTTP_AUTHORIZATION=f"Bearer {pair.access}").get(ME).status_code)


def dead(pair: TokenPair) -> bool:
    response = api(HTTP_AUTHORIZATION=f"Bearer {pair.access}").get(ME)
    with pytest.raises(InvalidToken):
        refreshed(pair.refresh)
    return bool(response.status_code == 401 and response.json()["code"] == "invalid_token")


def on_the_page(user: User) -> None:
    client = client_of(user)
    fields = {"oldpassword": PASSWORD, "password1": OTHER, "password2": OTHER}
    assert client.post("/accounts/password/change/", fields).status_code == 302


def by_mail(user: User) -> None:
    client = Client()
    client.post("/accounts/password/reset/", {"email": user.email})
    link = re.search(
        r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body)
    )
    assert link
    form = client.get(link[1], follow=True).request["PATH_INFO"]
    assert client.post(form, {"password1": OTHER, "password2": OTHER}).status_code == 302


def in_the_shell(user: User) -> None:
    user.set_password(OTHER)
    user.save()


def by_deactivation(user: User) -> None:
    tenants.deactivate_user(user=user, by=SYSTEM)


def by_signing_out_everywhere(user: User) -> None:
    assert client_of(user).post("/accounts/sessions/").status_code == 302


@pytest.mark.parametrize(
    "end", [on_the_page, by_mail, in_the_shell, by_deactivation, by_signing_out_everywhere]
)
def test_losing_access_revokes_all_tokens_at_once(
    end: Callable[[User], None], bob: User, carol: User
) -> None:
    mine, also_mine, bystander = signed_in(bob), signed_in(bob), signed_in(carol)
    assert status(mine) == status(also_mine) == 200
    end(bob)
    assert dead(mine)
    assert dead(also_mine)
    assert status(bystander) == 200


def test_reactivation_restores_no_sign_in(bob: User) -> None:
    pair = signed_in(bob)
    tenants.deactivate_user(user=bob, by=SYSTEM)
    tenants.reactivate_user(user=bob, by=SYSTEM)
    bob.refresh_from_db()
    assert dead(pair)
    assert status(signed_in(bob)) == 200


def test_ended_membership_keeps_the_user_signed_in(bob: User) -> None:
    pair = signed_in(bob)
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    response = api(HTTP_AUTHORIZATION=f"Bearer {pair.access}").get(ME)
    assert (response.status_code, response.json()["organizations"]) == (200, [])


def test_forced_sign_out_is_trailed_once_with_a_count(bob: User) -> None:
    signed_in(bob), signed_in(bob)
    for _ in range(2):
        by_signing_out_everywhere(bob)
    entry = TrailEntry.objects.get(action=Action.USER_TOKENS_REVOKED)
    assert (entry.actor_id, entry.target_id) == (bob.public_id, bob.public_id)
    assert '"data":{"reason":"signed_out_everywhere","sign_ins":2}' in entry.body


def logout(body: dict[str, Any] | None = None, **headers: Any) -> Any:
    return (
        api(**headers).post(LOGOUT, body, format="json")
        if body is not None
        else api(**headers).post(LOGOUT)
    )


def test_logout_revokes_only_its_own_family(bob: User, carol: User) -> None:
    first, second, bystander = signed_in(bob), signed_in(bob), signed_in(carol)
    assert logout(HTTP_AUTHORIZATION=f"Bearer {first.access}").status_code == 204
    assert dead(first)
    assert status(second) == 200
    assert logout({"refresh_token": second.refresh}).status_code == 204
    assert dead(second)
    assert status(bystander) == 200
    assert TokenFamily.objects.filter(revoked_at=None).get().user == carol


def test_logout_accepts_a_used_token_and_is_idempotent(bob: User) -> None:
    first = signed_in(bob)
    then = refreshed(first.refresh)
    ended: list[datetime | None] = []
    for _ in range(2):
        assert logout({"refresh_token": first.refresh}).status_code == 204
        ended += TokenFamily.objects.values_list("revoked_at", flat=True)
    assert dead(then)
    assert ended[0] == ended[1]


def test_logout_without_a_valid_token_is_refused(bob: User) -> None:
    pair = signed_in(bob)
    assert logout().json()["code"] == logout({}).json()["code"] == "missing_token"
    assert logout({"refresh_token": pair.access}).json()["code"] == "invalid_token"
    assert logout(HTTP_AUTHORIZATION=f"Bearer {pair.refresh}").json()["code"] == "invalid_token"
    old = signed_in(bob, at=timezone.now() - HOUR)
    assert logout(HTTP_AUTHORIZATION=f"Bearer {old.access}").json()["code"] == "expired_token"
    assert (
        logout(
            {"refresh_token": old.refresh}, HTTP_AUTHORIZATION=f"Bearer {old.access}"
        ).status_code
        == 204
    )
    assert status(pair) == 200


def test_authentication_takes_one_query(bob: User) -> None:
    pair = signed_in(bob)
    with CaptureQueriesContext(connection) as queries:
        assert accepted(pair.access).user == bob
    assert len(queries) == 1
    assert all(table in queries[0]["sql"] for table in ("tenants_tokenfamily", "tenants_user"))


def test_duty_prunes_expired_families(bob: User) -> None:
    signed_in(bob, at=timezone.now() - timedelta(days=31))
    living = signed_in(bob)
    (duty,) = [each for each in duties.registered() if each.name == "prune_user_tokens"]
    duty.run()
    assert TokenFamily.objects.count() == 1
    assert status(living) == 200
