"""Re-exports the models for Django, which looks for them in this module."""

from audit.activity.models import ActivityEvent
from audit.trail.models import TrailEntry, TrailHead

__all__ = ["ActivityEvent", "TrailEntry", "TrailHead"]
