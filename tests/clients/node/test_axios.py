"""The Node.js example of the AgentAuri document, run with real axios against a real Keyway."""

import json
import re
from pathlib import Path

import pytest

from tests.clients.node import programs
from tests.servers.keyway import KeywayServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

EXAMPLE = """
const axios = require('axios');

const client = axios.create({
  baseURL: process.env.KEYWAY_BASE_URL + '/api/v1',
  headers: {
    'X-API-Key': process.env.KEYWAY_API_KEY
  }
});

// List activity
(async () => {
  const activity = await client.get('/public/audit-activity');
  console.log(JSON.stringify(activity.data));
})();
"""


def test_axios_example_of_the_document_works(keyway: KeywayServer, axios: Path) -> None:
    secret = keyway.key(
        kind="public", environment="live", organization=keyway.user("alice")["organization"]
    )["secret"]
    printed = programs.run(
        programs.node(), "-e", EXAMPLE, cwd=axios, KEYWAY_BASE_URL=keyway.url, KEYWAY_API_KEY=secret
    )
    page = json.loads(printed)
    assert len(page["data"]) == 100
    assert re.fullmatch(r"evt_\w{26}", page["data"][0]["id"])
