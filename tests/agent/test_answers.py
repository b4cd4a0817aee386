import json
from datetime import UTC, datetime

import pytest
from keyway_agent.answers import (
    PERMANENT,
    BatchRefused,
    Busy,
    NeedsAttention,
    Refused,
    TemporaryFailure,
    UnexpectedAnswer,
    Unreachable,
    raise_for_answer,
)
from keyway_agent.backoff import Backoff

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def refusal(
    status: int, code: str = "", *, kind: str = "application/problem+json", **headers: str
) -> Exception | None:
    body = json.dumps({"code": code, "detail": "Because."}).encode()
    try:
        raise_for_answer(
            status,
            {"content-type": kind}
            | {name.replace("_", "-"): value for name, value in headers.items()},
            body,
            now=NOW,
        )
    except (Refused, TemporaryFailure, BatchRefused) as error:
        return error
    return None


@pytest.mark.parametrize("code", sorted(PERMANENT))
def test_permanent_refusal_names_its_reason(code: str) -> None:
    status = 403 if code.startswith(("wrong", "insufficient")) else 401
    expected = f"The server permanently refuses the key: {code}: Because."
    assert str(refusal(status, code)) == expected


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "paused_key"), (401, "organization_suspended"), (403, "ip_not_allowed")],
)
def test_liftable_refusal_needs_attention(status: int, code: str) -> None:
    assert type(refusal(status, code)) is NeedsAttention


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 418])
def test_status_without_a_problem_is_never_permanent(status: int) -> None:
    """A proxy's 401 says nothing about the key."""
    assert type(refusal(status, "revoked_key", kind="text/html")) is UnexpectedAnswer


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"code": ["revoked_key"]}']
)
def test_malformed_problem_is_never_permanent(body: bytes) -> None:
    with pytest.raises(NeedsAttention):
        raise_for_answer(401, {"content-type": "application/problem+json"}, body)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("Sat, 21 Nov 2026 04:00:09 GMT", 9),
        ("Sat, 21 Nov 2026 03:00:00 GMT", 0),
        ("86400", 3600),
        ("soon", None),
        ("-5", None),
        ("9" * 400, None),
        ("²", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_seconds_or_a_date_capped_at_an_hour(
    status: int, header: str | None, seconds: float | None
) -> None:
    busy = refusal(status, "rate_limited", **({"retry_after": header} if header else {}))
    assert isinstance(busy, Busy)
    assert busy.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "code"),
    [(413, "batch_too_large"), (413, ""), (400, "malformed_batch"), (422, "invalid_batch")],
)
def test_batch_refusal_is_not_a_key_refusal(status: int, code: str) -> None:
    assert isinstance(
        refusal(status, code, kind="application/problem+json" if code else "text/html"),
        BatchRefused,
    )


def test_reason_fits_one_log_line() -> None:
    body = json.dumps({"code": "revoked_key", "detail": "a\nFORGED\x1b[31m " + "x" * 1000}).encode()
    with pytest.raises(Refused) as refused:
        raise_for_answer(401, {"content-type": "application/problem+json"}, body)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


def test_backoff_is_never_shorter_than_retry_after() -> None:
    backoff = Backoff()
    assert all(20 <= backoff.seconds_after(Busy("", 20)) <= 23 for _ in range(100))


def test_backoff_grows_to_a_cap_and_resets_on_success() -> None:
    backoff = Backoff()
    waits = [backoff.seconds_after(Unreachable("")) for _ in range(100)]
    assert waits[0] <= 1
    assert all(30 <= wait <= 60 for wait in waits[10:])
    assert len(set(waits[10:])) > 10
    backoff.reset()
    assert backoff.seconds_after(Unreachable("")) <= 1


def test_failure_needing_attention_is_retried_slowly() -> None:
    assert all(60 <= Backoff().seconds_after(NeedsAttention("")) <= 75 for _ in range(20))
