import os

import pytest
from hypothesis import Phase

from apikeys.authority import Authority
from tests.apikeys import escalation
from tests.apikeys.escalation import SEQUENCES

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_no_sequence_escalates() -> None:
    escalation.run(int(os.environ.get(SEQUENCES, "40")))
    print(dict(sorted(escalation.done.items())))
    assert escalation.done["issue own"] + escalation.done["issue organization"] > 0
    assert escalation.done["rotate"] > 0
    assert escalation.done["collect"] > 0


def test_sequences_escalate_without_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authority, "require_covers", lambda authority, wanted: None)
    with pytest.raises(AssertionError, match="could not"):
        escalation.run(300, [Phase.generate])  # without shrinking the example
