"""Fill the peers' database: ``python -m benchmarks.seed_peers COUNT USED``.

Print the header lines of the credentials that the benchmark presents.
"""

import json
import secrets
import sys

import django
from django.contrib.auth.hashers import Argon2PasswordHasher

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from knox.models import AuthToken  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework_api_key.models import APIKey  # noqa: E402

from benchmarks.peers.models import Argon2Key  # noqa: E402

BATCH = 5000


def fill(count: int) -> None:
    """Create credentials that are never presented, to give the index a realistic size."""
    users = User.objects.bulk_create(
        (User(username=f"user-{n}") for n in range(count)), batch_size=BATCH
    )
    Token.objects.bulk_create(
        (Token(user=user, key=secrets.token_hex(20)) for user in users), batch_size=BATCH
    )
    AuthToken.objects.all().model.objects.bulk_create(
        (
            AuthToken(digest=secrets.token_hex(64), token_key=secrets.token_hex(4), user=user)
            for user in users
        ),
        batch_size=BATCH,
    )
    keys = []
    for number in range(count):
        prefix, hashed = secrets.token_hex(4), secrets.token_hex(64)
        keys.append(
            APIKey(
                id=f"{prefix}.{hashed}",
                prefix=prefix,
                hashed_key=f"sha512$${hashed}",
                name=f"key {number}",
            )
        )
    APIKey.objects.bulk_create(keys, batch_size=BATCH, ignore_conflicts=True)
    Argon2Key.objects.bulk_create(
        (Argon2Key(prefix=secrets.token_hex(8), proof="-") for _ in range(count)),
        batch_size=BATCH,
        ignore_conflicts=True,
    )


def present(used: int) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {"token": [], "knox": [], "api-key": [], "argon2": []}
    for number in range(used):
        user = User.objects.create(username=f"used-{number}")
        headers["token"].append(f"Authorization: Token {Token.objects.create(user=user).key}")
        headers["knox"].append(f"Authorization: Token {AuthToken.objects.create(user=user)[1]}")
        headers["api-key"].append(
            f"Authorization: Api-Key {APIKey.objects.create_key(name=f'used {number}')[1]}"
        )
        presented = secrets.token_hex(24)
        hasher = Argon2PasswordHasher()
        Argon2Key.objects.create(
            prefix=presented[:16], proof=hasher.encode(presented, hasher.salt())
        )
        headers["argon2"].append(f"X-API-Key: {presented}")
    return headers


if __name__ == "__main__":
    fill(int(sys.argv[1]))
    print(json.dumps(present(int(sys.argv[2]))))
