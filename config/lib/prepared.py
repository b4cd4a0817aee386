"""Queries compiled once, for reads so frequent that building the SQL costs more than running it."""

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
    """Compile `rows` once per number of parameters.

    `rows` filters by a sequence of integers, which are its only parameters. `columns` maps result
    names to fields.
    """

    def __init__(
        self, rows: Callable[[Sequence[int]], QuerySet[Any]], columns: Mapping[str, str]
    ) -> None:
        self._rows = rows
        self._columns = columns
        self._statement = lru_cache(maxsize=None)(self._compile)

    def read(self, parameters: Sequence[int]) -> list[dict[str, Any]]:
        """Return the rows for one or more parameters, in any order.

        Sizes are rounded up to powers of two, and the first parameter is repeated to fill the rest,
        so that few statements are compiled.
        """
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
        # Every connection of a process has the same database vendor, so one compilation fits all.
        query = self._rows(range(size)).values_list(*self._columns.values()).query
        compiler = query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        if parameters != tuple(range(size)):
            raise ValueError("the query has parameters besides the given integers")
        return _Statement(
            sql, compiler, compiler.get_converters([column for column, *_ in compiler.select or []])
        )
