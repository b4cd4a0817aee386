"""Path converters: an address carries the public id (``key_01…``), the view receives its UUID."""

import uuid

from django.urls import register_converter

from config.lib.ids import LENGTH, decode, encode


class PublicId:
    prefix: str
    regex: str

    def to_python(self, value: str) -> uuid.UUID:
        """Raises ValueError, which Django answers with 404."""
        return decode(self.prefix, value)

    def to_url(self, value: uuid.UUID) -> str:
        return encode(self.prefix, value)


def register_id(prefix: str) -> None:
    """Make ``<prefix_id:name>`` available in routes. Each app does so for its own ids when it starts."""
    members = {"prefix": prefix, "regex": rf"{prefix}_[0-9a-z]{{{LENGTH}}}"}
    register_converter(type(f"{prefix}_id", (PublicId,), members), f"{prefix}_id")
