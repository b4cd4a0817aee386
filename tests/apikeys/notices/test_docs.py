"""docs/notices.md lists the events as they are, and its programs verify real requests."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from apikeys.notices import deliveries
from apikeys.notices.causes import FOR_WEBHOOKS, Cause
from apikeys.notices.webhooks import AddedWebhook
from tests.apikeys.notices.conftest import deliver_now
from tests.conftest import IssueKey
from tests.servers.receiver import WebhookReceiver

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "notices.md").read_text()


def snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def first_column(heading: str) -> set[str]:
    table = PAGE.split(heading)[1].split("\n\n")[0]
    return set(re.findall(r"^\| `([\w.]+)`", table, re.MULTILINE))


def test_every_event_is_listed() -> None:
    assert first_column("| `type` | when |") == {*Cause.values} - {"webhook.test"}
    assert first_column("| `type` | `data` |") == {*FOR_WEBHOOKS, "webhook.test"}


def test_example_has_the_fields_of_a_real_payload(
    receiver: WebhookReceiver, hook: AddedWebhook, issue_public_key: IssueKey
) -> None:
    issue_public_key()
    deliver_now()
    shown, real = json.loads(snippet("json")), receiver.received[0].payload
    assert shown.keys() == real.keys()
    for name in ("organization", "key"):
        assert shown["data"][name].keys() == real["data"][name].keys()


def test_python_program_verifies_a_request(receiver: WebhookReceiver, hook: AddedWebhook) -> None:
    deliveries.send_test(hook.webhook)
    deliver_now()
    (request,) = receiver.received
    known = {"secret": receiver.secret, "body": request.body, "headers": request.headers}
    exec(snippet("python"), known)
    assert known["payload"]["type"] == "webhook.test"  # type: ignore[index]


@pytest.mark.parametrize("change", ["", "body", "time"])
def test_node_program_verifies_a_request(
    receiver: WebhookReceiver, hook: AddedWebhook, tmp_path: Path, change: str
) -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("No Node.js here")
    deliveries.send_test(hook.webhook)
    deliver_now()
    (request,) = receiver.received
    body, headers = request.body.decode(), dict(request.headers)
    if change == "body":
        body += " "
    if change == "time":
        headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
    call = f"verify({json.dumps(receiver.secret)}, {json.dumps(headers)}, {json.dumps(body)})"
    program = tmp_path / "verify.mjs"
    program.write_text(f"{snippet('javascript')}\nconsole.log({call}.type);\n")
    ran = subprocess.run([node, program], capture_output=True, text=True, check=False)
    if change:
        assert "not from Keyway" in ran.stderr
    else:
        assert ran.stdout == "webhook.test\n", ran.stderr
