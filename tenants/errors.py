from config.lib.errors import KeywayError


class NoAccess(KeywayError):
    """The organization does not exist or the user is not a member. Deliberately one answer."""

    code = "not_found"
    detail = "This page doesn't exist, or you don't have access to it."


class Forbidden(KeywayError):
    code = "forbidden"
    detail = "Your role does not allow this. Ask an admin of your organization."


class AlreadyMember(KeywayError):
    code = "already_member"
    detail = "This person is already a member."


class SlugTaken(KeywayError):
    code = "slug_taken"
    detail = "Another organization has this short name. Choose a different one."


class SignUpRefused(KeywayError):
    code = "sign_up_refused"
    detail = "It was already used, or it has expired. Sign up again for a new one."


class LastAdmin(KeywayError):
    code = "last_admin"
    detail = "An organization needs an active owner or admin. Make another member an admin first."


class StaleConfiguration(KeywayError):
    code = "stale_configuration"
    detail = (
        "Another version was saved while you were editing. Your changes are below. "
        "Save again to replace that version."
    )
