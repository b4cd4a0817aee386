"""Fill Keyway's database: ``python -m benchmarks.seed_keyway COUNT USED``.

Print the secrets of the keys that the benchmark presents.
"""

import json
import secrets
import sys

import django

django.setup()

from apikeys import services  # noqa: E402
from apikeys.kind import Kind  # noqa: E402
from apikeys.models import Key, Secret  # noqa: E402
from apikeys.services import Order  # noqa: E402
from audit.trail.actor import Actor  # noqa: E402
from benchmarks.servers import PASSWORD  # noqa: E402
from tenants import services as tenants  # noqa: E402
from tenants.models import Membership, Organization, User  # noqa: E402
from tenants.roles import Role  # noqa: E402

BATCH = 5000
SCOPE = "read:audit-activity"
SYSTEM = Actor.system("bench")


def fill(organization: Organization, owner: Membership, count: int) -> None:
    """Create keys that are never presented, to give the index a realistic size.

    Their proofs match no secret.
    """
    for kind in Kind:
        is_public = kind is Kind.PUBLIC
        template = {
            "kind": kind,
            "organization": organization,
            "owner": owner if is_public else None,
        }
        keys = [
            Key(**template, name=f"key {n}", scopes=[SCOPE] if is_public else [])
            for n in range(count)
        ]
        Key.objects.bulk_create(keys, batch_size=BATCH)
        proof = "$argon2id$v=19$m=19456,t=2,p=1$" + "A" * 22 + "$" + "A" * 43
        Secret.objects.bulk_create(
            (
                Secret(
                    key=key,
                    lookup=secrets.randbits(63),
                    proof=proof,
                    pepper_version=1,
                    mask="sk_live_AAAA…AAAA",
                )
                for key in keys
            ),
            batch_size=BATCH,
        )


def main(count: int, used: int) -> None:
    organization = tenants.create_organization(name="Acme", slug="acme", by=SYSTEM)
    alice = User.objects.create_user("alice@acme.example", PASSWORD, name="Alice")
    tenants.add_member(organization=organization, user=alice, role=Role.OWNER, by=SYSTEM)
    owner = Membership.objects.get(user=alice)
    fill(organization, owner, count)
    used_keys: dict[str, list[str]] = {"public": [], "agent": [], "keys": []}
    for number in range(used):
        public = services.issue_public_key(
            owner=owner, order=Order(name=f"used {number}"), scopes=[SCOPE], by=SYSTEM
        )
        agent = services.issue_agent_key(
            organization=organization,
            order=Order(name=f"used {number}"),
            by=SYSTEM,
            created_by=alice,
        )
        used_keys["public"].append(public.plaintext.reveal())
        used_keys["agent"].append(agent.plaintext.reveal())
        used_keys["keys"].append(str(public.key.pk))
    print(json.dumps(used_keys | {"organization": str(organization.pk)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
