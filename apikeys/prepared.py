"""One query, built and compiled once: for what is read so often that making its SQL costs more than running it."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet
from django.db.models.sql.compiler import SQLCompiler


class _Statement(NamedTuple):
    sql: str
    compiler: SQLCompiler
    converters: Any


class Prepared:
    """`rows` filters by one integer, its only parameter; `columns` are the fields to read, by the names they get."""

    def __init__(self, rows: Callable[[int], QuerySet[Any]], columns: Mapping[str, str]) -> None:
        self._rows = rows
        self._columns = columns

    def first(self, parameter: int) -> dict[str, Any] | None:
        statement = self._statement
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, [parameter])
            found = cursor.fetchmany(1)
        if not found:
            return None
        (row,) = statement.compiler.apply_converters(found, statement.converters)
        return dict(zip(self._columns, row, strict=True))

    @cached_property
    def _statement(self) -> _Statement:
        """A process has one kind of database, so what is compiled for one connection is right for all of them."""
        query = self._rows(0).values_list(*self._columns.values()).query
        compiler = query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        if parameters != (0,):
            raise ValueError("the query takes more than its one parameter")
        return _Statement(sql, compiler, compiler.get_converters([column for column, *_ in compiler.select or []]))
