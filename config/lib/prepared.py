"""A query compiled once for each of a few sizes: for what is read so often that making its SQL costs more than running it."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet
from django.db.models.sql.compiler import SQLCompiler


class _Statement(NamedTuple):
    sql: str
    compiler: SQLCompiler
    converters: Any


class Prepared:
    """`rows` filters by integers, its only parameters; `columns` are the fields to read, by the names they get."""

    def __init__(
        self, rows: Callable[[Sequence[int]], QuerySet[Any]], columns: Mapping[str, str]
    ) -> None:
        self._rows = rows
        self._columns = columns
        self._statement = lru_cache(maxsize=None)(self._compile)

    def read(self, parameters: Sequence[int]) -> list[dict[str, Any]]:
        """Rows for at least one parameter, in any order. Sizes are powers of two; the first one fills what is left."""
        size = 1 << (len(parameters) - 1).bit_length()
        statement = self._statement(size)
        with connection.cursor() as cursor:
            cursor.execute(
                statement.sql, [*parameters, *repeat(parameters[0], size - len(parameters))]
            )
            found = cursor.fetchall()
        converted = statement.compiler.apply_converters(found, statement.converters)
        return [dict(zip(self._columns, row, strict=True)) for row in converted]

    def _compile(self, size: int) -> _Statement:
        """A process has one kind of database, so what is compiled for one connection is right for all of them."""
        query = self._rows(range(size)).values_list(*self._columns.values()).query
        compiler = query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        if parameters != tuple(range(size)):
            raise ValueError("the query takes more than its own parameters")
        return _Statement(
            sql, compiler, compiler.get_converters([column for column, *_ in compiler.select or []])
        )
