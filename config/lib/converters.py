"""Path converters: ids in addresses are the public spelling (``key_01…``), views are handed the UUID."""

import uuid

from django.urls import register_converter

from config.lib.ids import LENGTH, decode, encode


class PublicId:
    prefix: str
    regex: str

    def __init_subclass__(cls, prefix: str) -> None:
        cls.prefix = prefix
        cls.regex = rf"{prefix}_[0-9a-z]{{{LENGTH}}}"

    def to_python(self, value: str) -> uuid.UUID:
        """Raises ValueError, which Django answers with 404."""
        return decode(self.prefix, value)

    def to_url(self, value: uuid.UUID) -> str:
        return encode(self.prefix, value)


class KeyId(PublicId, prefix="key"):
    pass


class MembershipId(PublicId, prefix="mem"):
    pass


class EventId(PublicId, prefix="evt"):
    pass


class AgentId(PublicId, prefix="agt"):
    pass


class ApplicationId(PublicId, prefix="app"):
    pass


class TokenFamilyId(PublicId, prefix="fam"):
    pass


for converter in (KeyId, MembershipId, EventId, AgentId, ApplicationId, TokenFamilyId):
    register_converter(converter, f"{converter.prefix}_id")
