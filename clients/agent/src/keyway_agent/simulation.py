"""A simulated SQL Server for the demo, with the audit events of a busy shop."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from keyway_agent import actions
from keyway_agent.actions import Action
from keyway_agent.event import Event, event_id
from keyway_agent.log_time import rfc3339
from keyway_agent.source import Entry

# Events available at the start, and all that --once sends.
BACKLOG_SECONDS = 60
_MOST_AT_ONCE = 5000

_SESSIONS = [
    ("ACME\\svc_orders", "orders_app", "OrderService", "APP01", "10.20.0.11"),
    ("ACME\\svc_orders", "orders_app", "OrderService", "APP02", "10.20.0.12"),
    ("ACME\\svc_reports", "reporting", "Power BI Gateway", "BI01", "10.20.0.21"),
    ("ACME\\jane.doe", "dbo", "Microsoft SQL Server Management Studio", "WS-0412", "10.20.8.41"),
    ("ACME\\dba.lee", "dbo", "Microsoft SQL Server Management Studio", "WS-0007", "10.20.8.7"),
    ("etl", "etl", "SSIS", "ETL01", "10.20.0.31"),
]
_Template = tuple[int, Action, str, str, str, str, float]
# Weight, action, database, schema, object, statement, probability of success.
_TEMPLATES: list[_Template] = [
    (
        30,
        actions.SELECT,
        "Shop",
        "Sales",
        "Configuration",
        "SELECT OrderID, Total FROM Sales.Configuration WHERE CustomerID = @p0",
        0.999,
    ),
    (
        14,
        actions.SELECT,
        "Shop",
        "Sales",
        "Customers",
        "SELECT * FROM Sales.Customers WHERE Email = @p0",
        0.995,
    ),
    (
        12,
        actions.INSERT,
        "Shop",
        "Sales",
        "Configuration",
        "INSERT INTO Sales.Configuration (CustomerID, Total) VALUES (@p0, @p1)",
        0.999,
    ),
    (
        10,
        actions.UPDATE,
        "Shop",
        "Stock",
        "Items",
        "UPDATE Stock.Items SET Quantity = Quantity - @p0 WHERE ItemID = @p1",
        0.998,
    ),
    (
        8,
        actions.EXECUTE,
        "Shop",
        "Sales",
        "usp_CloseOrder",
        "EXEC Sales.usp_CloseOrder @OrderID = @p0",
        0.99,
    ),
    (
        6,
        actions.LOGIN_SUCCEEDED,
        "master",
        "",
        "",
        "-- network protocol: TCP/IP\nset quoted_identifier on",
        1.0,
    ),
    (6, actions.LOGOUT, "master", "", "", "", 1.0),
    (
        4,
        actions.SELECT,
        "Payroll",
        "HR",
        "Salaries",
        "SELECT EmployeeID, Salary FROM HR.Salaries",
        0.6,
    ),
    (
        3,
        actions.DELETE,
        "Shop",
        "Sales",
        "Carts",
        "DELETE FROM Sales.Carts WHERE UpdatedAt < @p0",
        0.999,
    ),
    (
        2,
        actions.LOGIN_FAILED,
        "master",
        "",
        "",
        "Login failed for user. Reason: Password did not match.",
        0.0,
    ),
    (
        1,
        actions.GRANT,
        "Payroll",
        "HR",
        "Salaries",
        "GRANT SELECT ON HR.Salaries TO reporting",
        0.7,
    ),
    (
        1,
        actions.ALTER,
        "Shop",
        "Sales",
        "Configuration",
        "ALTER TABLE Sales.Configuration ADD Note nvarchar(200)",
        0.9,
    ),
    (
        1,
        actions.CREATE,
        "Shop",
        "Sales",
        "OrderNotes",
        "CREATE TABLE Sales.OrderNotes (OrderID int, Note nvarchar(max))",
        0.9,
    ),
    (1, actions.DROP, "Shop", "Stock", "Items_old", "DROP TABLE Stock.Items_old", 0.8),
    (
        1,
        actions.BACKUP,
        "Shop",
        "",
        "",
        "BACKUP DATABASE Shop TO DISK = N'E:\\Backup\\Shop.bak'",
        1.0,
    ),
]
_WEIGHTS = [happening[0] for happening in _TEMPLATES]


class SimulatedServer:
    """Yields events at a fixed rate, starting with a minute's worth. Keeps no state on disk."""

    def __init__(
        self,
        *,
        events_per_second: float,
        host: str,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> None:
        self._rate, self._host, self._clock = events_per_second, host, clock
        self._random = random.Random(seed)  # noqa: S311  a demo's dice
        self._started_at = clock()
        self._generated = 0

    def read(self) -> Sequence[Entry]:
        """Return the events due. Late ones carry the time at which they were due."""
        due = (
            int((self._clock() - self._started_at + BACKLOG_SECONDS) * self._rate) - self._generated
        )
        now = datetime.now(UTC)
        number = min(max(due, 0), _MOST_AT_ONCE)
        events = [
            self._event(now - timedelta(seconds=(due - i) / self._rate)) for i in range(number)
        ]
        self._generated += number
        return [Entry(event, None) for event in events]

    def delivered(self, entries: Sequence[Entry]) -> None:
        pass

    def backlog(self) -> int:
        return 0

    def is_exhausted(self) -> bool:
        return self._generated >= int(BACKLOG_SECONDS * self._rate)

    def _event(self, at: datetime) -> Event:
        _, action, database, schema, name, statement, success = self._random.choices(
            _TEMPLATES, _WEIGHTS
        )[0]
        login, user, application, client, address = self._random.choice(_SESSIONS)
        return {
            "event_id": str(event_id(at, self._host, self._random.randbytes(16).hex())),
            "event_time": rfc3339(at),
            "host": self._host,
            "action_id": action.id,
            "action_name": action.name,
            "succeeded": self._random.random() < success,
            "server_principal_name": login,
            "database_principal_name": user if name else "",
            "server_instance_name": f"{self._host}\\MSSQLSERVER"[:256],
            "database_name": database,
            "schema_name": schema,
            "object_name": name,
            "statement": statement,
            "client_ip": address,
            "application_name": application,
            "host_name": client,
            "session_id": str(self._random.randint(51, 400)),
            "additional_information": "",
        }
