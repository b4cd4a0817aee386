import time

import pytest
from keyway_agent.classify import Classification, classify
from keyway_agent.object_names import qualified_name


def spelled(found: Classification) -> str:
    name = found.name
    path = ".".join(filter(None, [name.database, name.schema, name.object]))
    return f"{found.action.id} {path}".strip()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * from public.t", "SL public.t"),
        ("SELECT 1", "SL"),
        ("insert into t values ('x; drop table y')", "IN t"),
        ("update only a.b set c = 1", "UP a.b"),
        ('delete from "We ird"."T""x"', 'DL We ird.T"x'),
        ("truncate table a, b", "DL a"),
        ("merge into t using s on true when matched then delete", "UP t"),
        ("copy t to stdout", "SL t"),
        ("copy public.t (a, b) from stdin", "IN public.t"),
        ("create table if not exists data (id int)", "CR data"),
        ("create unique index concurrently i on t (a)", "CR i"),
        ("create index on t (a)", "CR t"),
        ("drop table data", "DR data"),
        ("drop table if exists a.b cascade", "DR a.b"),
        ("alter table only public.x add column y int", "AL public.x"),
        ("alter table t owner to bob", "TO t"),
        ("grant select on table public.t to r", "G public.t"),
        ("revoke all on schema s from x", "R s"),
        ("grant admin to bob", "APRL admin"),
        ("set role bob", "IMP"),
        ("set session authorization bob", "IMP"),
        ("set local log_statement = 'none'", "AUSC"),
        ("set pgaudit.log = ''", "AUSC"),
        ("alter system set log_statement = 'none'", "AUSC"),
        ("alter system set work_mem = '1GB'", "ALST"),
        ("call p.f(1)", "EX p.f"),
        ("do $$ drop table x $$", "EX"),
        ("begin", "TRBC"),
        ("end", "TRCC"),
        ("rollback", "TRRC"),
        ("rollback to savepoint x", "TRSC"),
        ("vacuum analyze t", "VACUUM t"),
        ("explain select 1", "SPLN"),
        ("declare c cursor for select * from q", "SL q"),
        ("(select * from a) union (select * from b)", "SL a"),
        ("select extract(year from ts), trim(both from x) from orders", "SL orders"),
        ("select a is distinct from b from tt", "SL tt"),
        ("select * from (select * from inner_t) x", "SL inner_t"),
        ("selec 1", "UNKNOWN"),
        ("", "UNKNOWN"),
    ],
)
def test_statement_has_its_action_and_object(sql: str, expected: str) -> None:
    assert spelled(classify(sql)) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1; drop table users; select 2", "DR users"),
        ("with gone as (delete from secret returning *) select * from gone", "DL secret"),
        ("explain (analyze, buffers) delete from t", "DL t"),
        ("/* /* nested */ select 1; */ drop table t", "DR t"),
        ("-- select 1\ndrop table t", "DR t"),
        ("select $tag$ ' $tag$; drop table t --'", "DR t"),
        (r"select E'\'; drop table quoted; --'; delete from t", "DL t"),
        ("with x as (select * from secret) select * from x", "SL secret"),
    ],
)
def test_heaviest_action_cannot_be_hidden(sql: str, expected: str) -> None:
    assert spelled(classify(sql)) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "create role r password 'sekret' login",
        "ALTER USER bob ENCRYPTED PASSWORD /* x */ 'sekret'",
        "alter role r password 'a'\n'sekret'",
        "alter role r password $x$sekret$x$",
        "alter role r password E'sekret\\'sekret'",
        "alter role r password U&'sekret'",
        "select 1; alter role r password 'sekret'",
        "alter role r password 'sekret",
        "create user mapping for bob server s options (user 'u', password 'sekret')",
        "create subscription s connection 'host=x password=sekret' publication p",
    ],
)
def test_password_in_a_statement_is_hidden(sql: str) -> None:
    text = classify(sql).text
    assert "sekret" not in text
    assert "'******'" in text


def test_text_without_a_password_is_unchanged() -> None:
    sql = "select 'password', password from users where password = 'x' -- PASSWORD"
    assert classify(sql).text == sql


@pytest.mark.parametrize(
    "sql",
    [
        "(" * 100_000,
        "explain analyze " * 20_000,
        "select " + "(select x from " * 20_000,
        "'" * 200_001,
        "/*" * 100_000,
        "alter role x password " + "'a' " * 60_000,
        "with " + "a as (delete " * 30_000,
        "e'" + "\\" * 200_001,
        "$$" * 100_001,
        ";" * 200_000,
    ],
)
def test_hostile_text_is_classified_in_linear_time(sql: str) -> None:
    started_at = time.process_time()
    classify(sql)
    assert time.process_time() - started_at < 5


def test_qualified_name_parses_pgaudits_quoting() -> None:
    name = qualified_name('public."Odd.Name"')
    assert (name.schema, name.object) == ("public", "Odd.Name")
