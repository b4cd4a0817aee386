"""Django looks for models here; they live beside the code that uses them."""

from audit.activity.models import ActivityEvent
from audit.trail.models import TrailEntry, TrailHead

__all__ = ["ActivityEvent", "TrailEntry", "TrailHead"]
