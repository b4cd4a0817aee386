"""Audit records in pgAudit's documented format. The sample logs were written without pgAudit."""

from pathlib import Path

import pytest
from keyway_agent.event import Event

from tests.agent.logs import Reader, events, row


def written(tmp_path: Path, *messages: tuple[str, str]) -> list[Event]:
    """Write (message, context) pairs to a log and return its events."""
    rows = [
        row(
            0,
            message.removeprefix("ERROR "),
            log="ERROR",
            context=context,
            query=message.removeprefix("ERROR "),
        )
        if message.startswith("ERROR ")
        else row(0, message, context=context)
        for message, context in messages
    ]
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.csv").write_bytes(b"".join(rows))
    reader = Reader(tmp_path / "log", tmp_path / "state")
    happened = events(reader.opens())
    reader.dies()
    return happened


def audit(text: str, context: str = "") -> tuple[str, str]:
    return f"AUDIT: {text}", context


@pytest.mark.parametrize(
    ("line", "expected", "statement"),
    [
        (
            'SESSION,1,1,READ,SELECT,TABLE,public.t,"select ""a"", b\nfrom t",<none>',
            "SL public.t",
            'select "a", b\nfrom t',
        ),
        ("SESSION,1,1,READ,SELECT,,,select a from s.t,<not logged>", "SL s.t", "select a from s.t"),
        (
            'OBJECT,2,1,WRITE,UPDATE,TABLE,"public.""T,x""",update t,<none>',
            "UP public.T,x",
            "update t",
        ),
        (
            "SESSION,4,1,DDL,CREATE TABLE,TABLE,public.tmp,create table tmp (id int),<none>",
            "CR public.tmp",
            None,
        ),
        ("SESSION,1,1,ROLE,CREATE ROLE,,,CREATE ROLE auditor;,<not logged>", "CR .auditor", None),
        ("SESSION,8,1,ROLE,GRANT,TABLE,,grant select on public.t to r,<none>", "G public.t", None),
        ("SESSION,8,1,ROLE,GRANT,,,grant admin to bob,<none>", "APRL .admin", None),
        (
            "SESSION,5,1,ROLE,ALTER ROLE,,,ALTER ROLE bob PassWord <REDACTED>,<not logged>",
            "PWC .bob",
            None,
        ),
        ("SESSION,3,1,MISC,SET,,,SET pgaudit.log = 'none';,<not logged>", "AUSC .", None),
        ("SESSION,3,1,WRITE,COPY,TABLE,public.t,<not logged>,<not logged>", "IN public.t", ""),
        ("SESSION,33,1,FUNCTION,DO,,,do $$ begin end $$", "EX .", "do $$ begin end $$"),
        (
            "OBJECT,1,1,READ,SELECT,TABLE,public.t,<previously logged>,<previously logged>",
            "SL public.t",
            "",
        ),
    ],
)
def test_audit_line_gives_command_object_and_statement(
    tmp_path: Path, line: str, expected: str, statement: str | None
) -> None:
    (event,) = written(tmp_path, audit(line))
    assert f"{event['action_id']} {event['schema_name']}.{event['object_name']}" == expected
    assert event["succeeded"]
    if statement is not None:
        assert event["statement"] == statement


def test_parameters_and_rows_are_in_additional_information(tmp_path: Path) -> None:
    (event,) = written(
        tmp_path,
        audit('SESSION,1,1,WRITE,INSERT,TABLE,public.t,insert into t values ($1),"1,""x""",3'),
    )
    assert '"parameters": "1,\\"x\\""' in str(event["additional_information"])
    assert '"rows": "3"' in str(event["additional_information"])


def test_all_audit_lines_of_a_failed_statement_fail(tmp_path: Path) -> None:
    sql = "select * from a, b"
    first, *lines = [
        audit(f'SESSION,7,1,READ,SELECT,TABLE,public.{name},"{sql}",<none>') for name in "xab"
    ]
    happened = written(tmp_path, (first[0].replace(",7,", ",6,"), ""), *lines, (f"ERROR {sql}", ""))
    assert [(event["object_name"], event["succeeded"]) for event in happened] == [
        ("x", True),
        ("a", False),
        ("b", False),
    ]


def test_raised_audit_line_is_ignored_but_an_inner_one_counts(tmp_path: Path) -> None:
    line = "SESSION,7,2,DDL,DROP TABLE,TABLE,public.t,drop table t,<none>"
    inner = 'SQL statement "drop table t"\nPL/pgSQL function f() line 1 at EXECUTE'
    assert (
        len(
            written(
                tmp_path, audit(line, inner), audit(line, "PL/pgSQL function f() line 1 at RAISE")
            )
        )
        == 1
    )


@pytest.mark.parametrize(
    "line",
    ["", "SESSION", "OTHER,1,1,READ,SELECT,TABLE,public.t,select,<none>", "SESSION,1,1,READ"],
)
def test_malformed_audit_line_is_ignored(tmp_path: Path, line: str) -> None:
    assert written(tmp_path, audit(line)) == []
