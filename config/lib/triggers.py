"""Database triggers that refuse forbidden changes, in PostgreSQL's and in SQLite's dialect.

If a migration makes Django rebuild an SQLite table, the table loses its triggers without an error.
Such a migration must install them again. tests/audit/test_guards.py fails if one is missing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython


@dataclass(frozen=True)
class Guard:
    """Refuse `operation` (INSERT, UPDATE or DELETE) on `table` where `when` is true.

    The error message is `name`.
    """

    name: str
    table: str
    operation: str
    when: str = ""

    def create(self, vendor: str) -> list[str]:
        trigger = f"CREATE TRIGGER {self.name} BEFORE {self.operation} ON {self.table}"
        if vendor == "sqlite":
            condition = f"WHEN {self.when}" if self.when else ""
            return [
                f"{trigger} FOR EACH ROW {condition} BEGIN SELECT RAISE(ABORT, '{self.name}'); END"
            ]
        # PostgreSQL allows no subquery in a trigger's WHEN, so the function checks the condition.
        refuse = f"RAISE EXCEPTION '{self.name}' USING ERRCODE = 'restrict_violation';"
        keep = "RETURN OLD;" if self.operation == "DELETE" else "RETURN NEW;"
        body = f"IF {self.when} THEN {refuse} END IF; {keep}" if self.when else refuse
        statements = [
            _function(self.name, body),
            f"{trigger} FOR EACH ROW EXECUTE FUNCTION {self.name}()",
        ]
        # TRUNCATE fires no row triggers, so a table that refuses DELETE needs a statement trigger.
        if self.operation == "DELETE":
            every = f"{self.name}_all"
            truncate = f"CREATE TRIGGER {every} BEFORE TRUNCATE ON {self.table}"
            statements += [
                _function(every, refuse),
                f"{truncate} FOR EACH STATEMENT EXECUTE FUNCTION {every}()",
            ]
        return statements

    def drop(self, vendor: str) -> list[str]:
        if vendor == "sqlite":
            return [f"DROP TRIGGER IF EXISTS {self.name}"]
        return [
            f"DROP FUNCTION IF EXISTS {name}() CASCADE" for name in (self.name, f"{self.name}_all")
        ]


def _function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"


def install(guards: Iterable[Guard]) -> RunPython:
    """Return the migration operation that creates guards and replaces those with the same name."""
    guards = tuple(guards)
    return RunPython(_run(guards, _replace), _run(guards, Guard.drop))


def lift(guards: Iterable[Guard]) -> RunPython:
    """Return the operation that drops guards before a migration changes their tables.

    Call `install` after the change, in the same migration.
    """
    guards = tuple(guards)
    return RunPython(_run(guards, Guard.drop), _run(guards, _replace))


def _replace(guard: Guard, vendor: str) -> list[str]:
    return guard.drop(vendor) + guard.create(vendor)


def _run(
    guards: tuple[Guard, ...], statements: Callable[[Guard, str], list[str]]
) -> Callable[[object, BaseDatabaseSchemaEditor], None]:
    def run(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        for guard in guards:
            for statement in statements(guard, editor.connection.vendor):
                editor.execute(statement)

    return run
