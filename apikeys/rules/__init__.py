"""Key rules: what an organization demands of its keys.

`broken` is the only judge of a key by its rules. `models` stores the rules, and the requests for
keys that need approval. Changes are in apikeys.services.
"""

from apikeys.rules.judge import (
    NO_RULES,
    Broken,
    Issuers,
    KeyFacts,
    KeyRule,
    Rules,
    broken,
    rotation_due,
)

__all__ = [
    "NO_RULES",
    "Broken",
    "Issuers",
    "KeyFacts",
    "KeyRule",
    "Rules",
    "broken",
    "rotation_due",
]
