class DeliveryFailed(Exception):
    """The message was not accepted and is retried.

    Operators read the text in the log and in the admin; it must hold nothing of the payload.
    """


class Undeliverable(DeliveryFailed):
    """The server refused the message permanently. Sending stops."""


class Unreachable(DeliveryFailed):
    """The server does not answer or accepts nothing; the next message would fail alike."""
