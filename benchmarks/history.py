"""Create stored events, and requests of one key: ``python -m benchmarks.history EVENTS REQUESTS``.

Print cursors into the activity, the id of a key with that many requests, and the id of a key with a
thousandth of them.
"""

import json
import sys

import django

django.setup()

from django.db import connection  # noqa: E402

from apikeys.models import Key  # noqa: E402
from audit.activity.queries import ActivityFilter, _Seal, matching  # noqa: E402
from benchmarks.reading import DEPTHS  # noqa: E402
from tenants.models import Organization  # noqa: E402

EVENTS = """
INSERT INTO audit_activityevent (organization_id, environment, event_id, event_time, received_at,
    host, action_id, action_name, succeeded, server_principal_name, database_principal_name,
    server_instance_name, database_name, schema_name, object_name, statement, client_ip,
    application_name, host_name, session_id, additional_information, digest)
SELECT %s, 'live',
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || lpad(to_hex(n %% 4096), 3, '0') || '8' || substr(md5(n::text), 1, 15))::uuid,
    at, at, 'db' || n %% 20, 'SL', 'SELECT', n %% 33 <> 0, 'app_user_' || n %% 50, 'app',
    'PROD01', 'Sales', 'dbo', 'Orders', 'SELECT * FROM dbo.Orders WHERE id = ' || n,
    '10.1.2.' || n %% 250, 'webshop', 'web' || n %% 9, (n %% 200)::text, '',
    decode(md5(n::text), 'hex')
FROM (
    SELECT n, now() - make_interval(secs => n * 0.25) AS at FROM generate_series(1, %s) AS n
) AS times
"""
USES = """
INSERT INTO apikeys_use (at, key_id, secret_id, organization_id, method, route, status, denial,
    address, user_agent, milliseconds)
SELECT now() - make_interval(secs => (n %% 2592000)), %s, %s, %s, 'GET',
    '/api/v1/endpoint-' || n %% 20, CASE WHEN n %% 50 = 0 THEN 404 ELSE 200 END, '', '10.1.2.3',
    'bench/1.0', 2.5
FROM generate_series(1, %s) AS n
"""
COUNTS = """
INSERT INTO apikeys_usecount (key_id, period, starts_at, method, route, outcome, secret_id,
    requests)
SELECT key_id, %s, {starts}, method, route,
    CASE WHEN status < 400 THEN 'ok' ELSE 'client_error' END, secret_id, count(*)
FROM apikeys_use WHERE key_id = %s GROUP BY 1, 3, 4, 5, 6, 7
"""
PERIODS = {
    "hour": "date_trunc('hour', at, 'UTC')",
    "day": "date_trunc('day', at, 'UTC')",
    "ever": "timestamptz '1970-01-01 00:00:00+00'",
}


def make_events(organization: Organization, count: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [organization.pk, count])
        cursor.execute("VACUUM ANALYZE audit_activityevent")
    seal = _Seal.of(organization.pk, "live", ActivityFilter())
    newest_first = matching(organization.pk, "live", ActivityFilter())
    return [seal.older_than(newest_first[int(count * depth)]) for depth in DEPTHS]


def make_uses(key: Key, count: int) -> None:
    secret = key.secrets.get()
    with connection.cursor() as cursor:
        cursor.execute(USES, [key.pk, secret.pk, key.organization_id, count])
        for period, starts in PERIODS.items():
            cursor.execute(COUNTS.format(starts=starts), [period, key.pk])
        cursor.execute("VACUUM ANALYZE apikeys_use")
        cursor.execute("VACUUM ANALYZE apikeys_usecount")


def main(events: int, requests: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    # Keys that are never presented, so that their only usage is what is created here.
    large, small = (Key.objects.get(kind="public", name=f"key {number}") for number in (0, 1))
    make_uses(large, requests)
    make_uses(small, requests // 1000)
    cursors = make_events(Organization.objects.get(slug="acme"), events)
    print(json.dumps({"cursors": cursors, "large": large.public_id, "small": small.public_id}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
