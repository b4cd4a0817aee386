"""Database triggers that refuse what must never happen, in the words of PostgreSQL and of SQLite.

A migration that makes Django rebuild an SQLite table drops that table's triggers; such a migration
has to install them again. tests/audit/test_guards.py fails when one is missing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython


@dataclass(frozen=True)
class Guard:
    """Refuse `operation` (INSERT, UPDATE or DELETE) on `table` where `when` holds; the error is `name`."""

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
        # A trigger's own WHEN may not hold a subquery on PostgreSQL, so the function asks.
        refuse = f"RAISE EXCEPTION '{self.name}' USING ERRCODE = 'restrict_violation';"
        keep = "RETURN OLD;" if self.operation == "DELETE" else "RETURN NEW;"
        body = f"IF {self.when} THEN {refuse} END IF; {keep}" if self.when else refuse
        statements = [
            f"CREATE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
            f"CREATE TRIGGER {self.name} BEFORE {self.operation} ON {self.table} FOR EACH ROW EXECUTE FUNCTION {self.name}()",
        ]
        if self.operation == "DELETE":
            every = f"{self.name}_all"
            statements += [
                f"CREATE FUNCTION {every}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refuse} END $$",
                f"CREATE TRIGGER {every} BEFORE TRUNCATE ON {self.table} FOR EACH STATEMENT EXECUTE FUNCTION {every}()",
            ]
        return statements

    def drop(self, vendor: str) -> list[str]:
        if vendor == "sqlite":
            return [f"DROP TRIGGER IF EXISTS {self.name}"]
        return [
            f"DROP FUNCTION IF EXISTS {name}() CASCADE" for name in (self.name, f"{self.name}_all")
        ]


def install(guards: Iterable[Guard]) -> RunPython:
    """Make the migration operation that creates these guards, in place of older ones by the same names."""
    guards = tuple(guards)
    return RunPython(_run(guards, _replace), _run(guards, Guard.drop))


def lift(guards: Iterable[Guard]) -> RunPython:
    """Make the operation that takes guards away before a migration changes their tables. `install` them after it."""
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
