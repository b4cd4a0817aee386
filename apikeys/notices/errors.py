from config.lib.errors import KeywayError


class TooManyWebhooks(KeywayError):
    code = "too_many_webhooks"
    detail = "An organization can have 10 webhooks. Delete one first."


class WebhookSecretShown(KeywayError):
    """The same form was submitted before. Nothing was changed this time."""

    code = "webhook_secret_shown"
    detail = "This form was already submitted, and its signing secret was shown once."


class WebhookUrlRefused(KeywayError):
    code = "webhook_url_refused"
    detail = "This URL cannot be used."


class WebhookIsDisabled(KeywayError):
    code = "webhook_disabled"
    detail = "This webhook is disabled. Enable it first."
