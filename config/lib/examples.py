"""Examples for the API description. All of them show the same organization, person and key.

Ids come from the real encoder, and tests/config/test_api_examples.py sends and receives every
example.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from config.lib.ids import encode

ByMediaType = dict[str, Any]

ORGANIZATION = {
    "id": encode("org", UUID("019b1f74-5d00-7c3a-8f1b-2d6e4a9c0b11")),
    "name": "Acme",
    "slug": "acme",
}
OWNER = {
    "id": encode("usr", UUID("019b1f74-5d00-7a44-9c21-7b0f3e5d8a22")),
    "email": "alice@acme.example",
}
KEY_ID = encode("key", UUID("019b1f74-6ab0-7d15-b3f4-5c8e1a2d7f33"))
REQUEST_ID = encode("req", UUID("019b1f74-8d30-7b52-9e16-4a7c0d2f6b55"))
APPLICATION_ID = encode("app", UUID("019b1f74-7c20-7e91-a4d8-3f6b9c0e1d44"))


@dataclass(frozen=True, slots=True)
class Examples:
    """Example request and response of an operation, by media type."""

    request: ByMediaType
    answer: ByMediaType


EXAMPLES: dict[str, Examples] = {}


def example(
    operation_id: str,
    *,
    request: ByMediaType | None = None,
    answer: ByMediaType | None = None,
) -> None:
    """Register the examples of an operation."""
    EXAMPLES[operation_id] = Examples(request or {}, answer or {})
