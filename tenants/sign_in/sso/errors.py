from config.lib.errors import KeywayError


class SingleSignOnError(KeywayError):
    """Signing in with the provider failed. The text is shown to the person."""

    code = "single_sign_on_failed"
    detail = "Single sign-on failed. Try again, or sign in with your password."


class NoProvider(SingleSignOnError):
    code = "no_provider"
    detail = "Single sign-on isn’t set up for this email address. Sign in with your password."


class StateUnknown(SingleSignOnError):
    code = "state_unknown"
    detail = "This sign-in was already used, or it took too long. Start again."


class ProviderFailed(SingleSignOnError):
    """The provider is unreachable or breaks the protocol."""

    code = "provider_failed"
    detail = "The identity provider’s answer is not valid. Tell an owner of your organization."


class IdentityRefused(SingleSignOnError):
    """The provider's answer is valid and signs no one in."""

    code = "identity_refused"


class DomainTaken(KeywayError):
    code = "domain_taken"
    detail = "This domain belongs to another organization. Contact platform staff."


class DomainNotProven(KeywayError):
    code = "domain_not_proven"
    detail = "The TXT record was not found. A new record can take an hour to appear."


class TooManyDomains(KeywayError):
    code = "too_many_domains"
    detail = "An organization can have 20 mail domains. Remove one first."
