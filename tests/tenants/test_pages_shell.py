"""The shell around every page. No template has inline code or foreign resources."""

import re
from pathlib import Path

import pytest
from django.test import Client

import config
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Organization, Theme, User
from tenants.roles import Role
from tests.conftest import SYSTEM, client_of

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html")) + sorted(
    (ROOT / "templates").rglob("*.svg")
)
FORBIDDEN = {
    "a style attribute": r"\sstyle\s*=",
    "an event handler": r"\son[a-z]+\s*=\s*[\"']",
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "inline styles": r"<style[\s>]",
    "a data: address": r"(?:src|href)\s*=\s*[\"']data:",
    "something from elsewhere": r"(?:src|href|action)\s*=\s*[\"'](?:https?:)?//",
    "a script address": r"javascript:",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_contains(what: str) -> None:
    assert len(TEMPLATES) > 50
    assert [
        path.name
        for path in TEMPLATES
        if re.search(FORBIDDEN[what], path.read_text(), re.IGNORECASE)
    ] == []


@pytest.mark.parametrize("name", ["keyway.css", "keyway.js", "favicon.svg"])
def test_assets_load_nothing_from_other_hosts(name: str) -> None:
    text = (ROOT / "static/keyway" / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|url\((?![\"']?fonts/)|@import|\beval\(|new Function", text)


@pytest.mark.parametrize("theme", Theme.values)
def test_page_uses_the_users_theme(acme: Organization, bob: User, theme: str) -> None:
    User.objects.filter(pk=bob.pk).update(theme=theme)
    html = client_of(bob).get("/o/acme/").content.decode()
    assert f'<html lang="en" dir="ltr" data-theme="{theme}">' in html


def test_footer_names_the_version_to_signed_in_people_only(acme: Organization, bob: User) -> None:
    footer = f"Keyway {config.__version__}</footer>"
    assert footer in client_of(bob).get("/o/acme/").content.decode()
    assert config.__version__ not in Client().get("/accounts/login/").content.decode()


def links(html: str) -> set[str]:
    sidebar = re.search(r"<nav class=\"sidebar\".*?</nav>", html, re.DOTALL)
    assert sidebar
    return set(re.findall(r'class="nav-link" href="([^"]+)"', sidebar[0]))


def test_navigation_matches_each_role(
    acme: Organization, alice: User, bob: User, carol: User, staff: User
) -> None:
    everybody = {"/o/acme/", "/o/acme/activity/", "/profile/#api-keys", "/docs/api/"}
    everybody |= {"/o/acme/settings/api-keys/", "/o/acme/settings/"}
    reading = everybody | {
        "/o/acme/agents/",
        "/administration/tenant-agents/",
        "/o/acme/audit-log/",
        "/o/acme/key-requests/",
        "/o/acme/members/",
    }
    agents = {
        "/o/acme/agents/",
        "/administration/organizations/",
        "/administration/tenant-agents/",
        "/profile/#api-keys",
        "/docs/api/",
    }
    for user, page, offered in (
        (alice, "/o/acme/", reading | {"/o/acme/applications/"}),
        (carol, "/o/acme/", reading),
        (bob, "/o/acme/", everybody),
        (staff, "/o/acme/agents/", agents),
    ):
        client = client_of(user)
        assert links(client.get(page).content.decode()) == offered
        for address in offered:
            assert client.get(address).status_code == 200, (user, address)


def test_navigation_marks_the_current_page(carol: User) -> None:
    client = client_of(carol)
    for page in (
        "/o/acme/",
        "/o/acme/activity/",
        "/o/acme/agents/",
        "/administration/tenant-agents/",
        "/o/acme/audit-log/",
        "/o/acme/settings/",
        "/o/acme/settings/api-keys/",
    ):
        assert re.findall(
            r'href="([^"]+)" aria-current="page"><svg', client.get(page).content.decode()
        ) == [page]


def test_switcher_lists_own_organizations(
    acme: Organization, globex: Organization, bob: User, mallory: User
) -> None:
    def offered(user: User, page: str) -> list[str]:
        html = client_of(user).get(page).content.decode()
        switcher = re.search(r'<details class="menu switcher">.*?</details>', html, re.DOTALL)
        assert switcher
        return re.findall(r'<a href="(/o/[^"]+)"', switcher[0])

    assert offered(bob, "/o/acme/") == ["/o/acme/"]
    tenants.add_member(organization=globex, user=bob, role=Role.MEMBER, by=SYSTEM)
    assert offered(bob, "/o/acme/") == ["/o/acme/", "/o/globex/"]
    assert offered(mallory, "/o/globex/") == ["/o/globex/"]


def test_shell_escapes_hostile_names(acme: Organization, bob: User) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    Organization.objects.filter(pk=acme.pk).update(name=hostile)
    User.objects.filter(pk=bob.pk).update(name=hostile)
    html = client_of(bob).get("/o/acme/").content.decode()
    assert "&lt;img src=x" in html
    assert "<img" not in html


def test_suspended_organization_is_marked_and_readable(acme: Organization, carol: User) -> None:
    client = client_of(carol)
    assert "Acme is suspended" not in client.get("/o/acme/").content.decode()
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    for page in ("/o/acme/", "/o/acme/activity/", "/o/acme/audit-log/"):
        assert "Acme is suspended" in client.get(page).content.decode()
    assert TrailEntry.objects.filter(action="organization.suspended").exists()
