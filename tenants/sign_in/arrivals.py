"""Notify apps above about sign-ins. They register a listener when they start."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tenants.models import User


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person has proved their identity: in a browser, or as a program with their password."""

    user: User
    address: str
    user_agent: str
    at: datetime


_listeners: list[Callable[[SignIn], None]] = []


def on_sign_in(listener: Callable[[SignIn], None]) -> None:
    """Call `listener` in a transaction of each sign-in. If it raises, the sign-in fails."""
    _listeners.append(listener)


def announce(sign_in: SignIn) -> None:
    for listener in _listeners:
        listener(sign_in)
