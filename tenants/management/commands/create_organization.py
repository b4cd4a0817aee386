from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email, validate_slug

from audit.trail.actor import Actor
from tenants.errors import SlugTaken
from tenants.invitations import found


class Command(BaseCommand):
    help = (
        "Create an organization with one owner. If the owner has no account, one is created "
        "without a password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "slug", help="short name for URLs: lower-case letters, digits and hyphens"
        )
        parser.add_argument("--name", help="display name (default: the slug)")
        parser.add_argument(
            "--owner", required=True, metavar="EMAIL", help="email address of the first owner"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug, email = options["slug"].lower(), options["owner"].strip().lower()
        try:
            validate_slug(slug)
            validate_email(email)
            by = Actor.system("create_organization")
            name = options["name"] or slug
            membership = found(name=name, slug=slug, owner=email, by=by)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except SlugTaken as error:
            raise CommandError(f"An organization named {slug} already exists.") from error
        organization, owner = membership.organization, membership.user
        self.stdout.write(
            f"Created {organization.name} ({organization.public_id}) with owner {owner.email}."
        )
        if not owner.has_usable_password():
            self.stdout.write(
                f"To set a password, run manage.py changepassword {owner.email} or use "
                "“Forgot password?” on the sign-in page."
            )
