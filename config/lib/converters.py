"""Path converters between public ids in URLs (``key_01…``) and UUIDs in views."""

import uuid

from django.urls import register_converter

from config.lib.ids import LENGTH, decode, encode


class PublicId:
    prefix: str
    regex: str

    def to_python(self, value: str) -> uuid.UUID:
        """Raises ValueError, which Django turns into a 404."""
        return decode(self.prefix, value)

    def to_url(self, value: uuid.UUID) -> str:
        return encode(self.prefix, value)


def register_id(prefix: str) -> None:
    """Register ``<prefix_id:name>`` for routes. Each app registers its own ids when it starts."""
    members = {"prefix": prefix, "regex": rf"{prefix}_[0-9a-z]{{{LENGTH}}}"}
    register_converter(type(f"{prefix}_id", (PublicId,), members), f"{prefix}_id")
