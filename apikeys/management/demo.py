"""Activity events for the demo, as agents would send them. Reproducible from a seed."""

import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

PEOPLE = (
    "app_orders",
    "app_orders",
    "app_orders",
    "app_billing",
    "app_billing",
    "report_reader",
    "jsmith",
    "dba_kim",
    "etl_nightly",
)
APPLICATIONS = {
    "app_orders": "Orders API",
    "app_billing": "Billing Worker",
    "report_reader": "Power BI",
    "jsmith": "Azure Data Studio",
    "dba_kim": "SQL Server Management Studio",
    "etl_nightly": "SSIS",
}
# Action id, action name, schema, object, statement.
WORK: dict[str, tuple[tuple[str, str, str, str, str], ...]] = {
    "app_orders": (
        (
            "SL",
            "SELECT",
            "sales",
            "orders",
            "SELECT id, status, total FROM sales.orders WHERE customer_id = @p1",
        ),
        (
            "IN",
            "INSERT",
            "sales",
            "orders",
            "INSERT INTO sales.orders (customer_id, total) VALUES (@p1, @p2)",
        ),
        (
            "UP",
            "UPDATE",
            "sales",
            "orders",
            "UPDATE sales.orders SET status = 'shipped' WHERE id = @p1",
        ),
        (
            "SL",
            "SELECT",
            "sales",
            "customers",
            "SELECT name, address FROM sales.customers WHERE id = @p1",
        ),
    ),
    "app_billing": (
        (
            "SL",
            "SELECT",
            "billing",
            "invoices",
            "SELECT * FROM billing.invoices WHERE due_on < SYSUTCDATETIME()",
        ),
        (
            "IN",
            "INSERT",
            "billing",
            "payments",
            "INSERT INTO billing.payments (invoice_id, amount) VALUES (@p1, @p2)",
        ),
        ("EX", "EXECUTE", "billing", "close_month", "EXEC billing.close_month @month = @p1"),
    ),
    "report_reader": (
        (
            "SL",
            "SELECT",
            "sales",
            "orders",
            "SELECT COUNT(*), SUM(total) FROM sales.orders GROUP BY CAST(placed_at AS date)",
        ),
        (
            "SL",
            "SELECT",
            "billing",
            "invoices",
            "SELECT TOP (1000) * FROM billing.invoices ORDER BY issued_on DESC",
        ),
    ),
    "jsmith": (
        (
            "SL",
            "SELECT",
            "hr",
            "salaries",
            "SELECT employee_id, salary FROM hr.salaries WHERE salary > 150000",
        ),
        ("LGIS", "LOGIN SUCCEEDED", "", "", ""),
        ("LGIF", "LOGIN FAILED", "", "", ""),
    ),
    "dba_kim": (
        (
            "AL",
            "ALTER",
            "sales",
            "orders",
            "ALTER TABLE sales.orders ADD delivery_note nvarchar(400) NULL",
        ),
        ("G", "GRANT", "hr", "salaries", "GRANT SELECT ON hr.salaries TO report_reader"),
        (
            "CR",
            "CREATE",
            "sales",
            "ix_orders_status",
            "CREATE INDEX ix_orders_status ON sales.orders (status)",
        ),
        ("LGIS", "LOGIN SUCCEEDED", "", "", ""),
    ),
    "etl_nightly": (
        (
            "SL",
            "SELECT",
            "sales",
            "orders",
            "SELECT * FROM sales.orders WHERE changed_at > @watermark",
        ),
        ("DL", "DELETE", "staging", "orders", "DELETE FROM staging.orders WHERE batch < @p1"),
        (
            "IN",
            "INSERT",
            "staging",
            "orders",
            "INSERT INTO staging.orders SELECT * FROM sales.orders WHERE changed_at > @watermark",
        ),
    ),
}
REFUSABLE = frozenset({"hr", "staging"})


def activity(
    *, hosts: tuple[str, ...], count: int, until: datetime, span: timedelta, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield `count` events in the `span` before `until`, mostly during working hours."""
    dice = random.Random(seed)  # noqa: S311  a demo, not a secret
    for _ in range(count):
        person = dice.choice(PEOPLE)
        yield _event(dice, dice.choice(hosts), person, _moment(dice, person, until, span))


def _moment(dice: random.Random, person: str, until: datetime, span: timedelta) -> datetime:
    ago: float = dice.random() ** 1.6
    moment = until - span * ago
    hour = (
        dice.randrange(1, 4)
        if person == "etl_nightly"
        else min(23, max(0, round(dice.gauss(13, 3))))
    )
    moved = moment.replace(
        hour=hour,
        minute=dice.randrange(60),
        second=dice.randrange(60),
        microsecond=dice.randrange(10**6),
    )
    return moved if moved < until else moment


def _event(dice: random.Random, host: str, person: str, moment: datetime) -> dict[str, Any]:
    action_id, action_name, schema, name, statement = dice.choice(WORK[person])
    failed = action_id == "LGIF" or (
        schema in REFUSABLE and person == "jsmith" and dice.random() < 0.4
    )
    return {
        "event_id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        "event_time": moment.isoformat(),
        "host": host,
        "action_id": action_id,
        "action_name": action_name,
        "succeeded": not failed,
        "server_principal_name": person,
        "database_principal_name": "dbo" if person == "dba_kim" else person,
        "server_instance_name": host.upper(),
        "database_name": "" if action_id.startswith("LG") else "commerce",
        "schema_name": schema,
        "object_name": name,
        "statement": statement,
        "client_ip": f"10.20.{dice.randrange(4)}.{dice.randrange(2, 250)}",
        "application_name": APPLICATIONS[person],
        "host_name": f"{person.replace('_', '-')}-{dice.randrange(1, 4)}",
        "session_id": str(dice.randrange(51, 400)),
        "additional_information": "The SELECT permission was denied." if failed and schema else "",
    }
