from config.lib.errors import KeywayError


class NoAccess(KeywayError):
    """The organization does not exist, or the user has no place in it: the same answer, on purpose."""

    code = "not_found"
    detail = "There is no such page, or you have no access to it."


class Forbidden(KeywayError):
    code = "forbidden"
    detail = "Your role does not allow this. An admin of your organization can do it, or change your role."


class AlreadyMember(KeywayError):
    code = "already_member"
    detail = "This person is already a member."


class LastAdmin(KeywayError):
    code = "last_admin"
    detail = (
        "An organization keeps at least one active owner or admin. Make somebody else admin first."
    )


class StaleConfiguration(KeywayError):
    code = "stale_configuration"
    detail = "Somebody saved another version while you were editing. Your changes are below; save again to replace theirs."
