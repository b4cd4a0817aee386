"""How the audit log words what entries about keys and applications record."""

from collections.abc import Callable, Sequence

from django.db.models import TextChoices

from apikeys import scopes
from apikeys.kind import Kind
from audit.trail import wording
from audit.trail.wording import Wording
from config.lib.environment import Environment


def register() -> None:
    wording.register(
        mask=Wording("Key"),
        old_mask=Wording("Old key"),
        kind=Wording("Kind", titles=_labels(Kind)),
        environment=Wording("Environment", titles=_labels(Environment)),
        owner=Wording("Owner", empty="the organization"),
        scopes=Wording("Scopes", titles=scopes.titles),
        allowed_cidrs=Wording("Networks"),
        expires_at=Wording("Expires", empty="never"),
        receiver=Wording("Receiver"),
        replacement=Wording("New key"),
        old_expires_at=Wording("Old key works until"),
    )


def _labels(choices: type[TextChoices]) -> Callable[[Sequence[str]], list[str]]:
    labels = dict(choices.choices)
    return lambda values: [labels.get(value, value) for value in values]
