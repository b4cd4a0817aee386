from django.db import models


class Duty(models.Model):
    """A recurring piece of work: when it is due, who has claimed it, and how its last run ended."""

    name = models.CharField(max_length=300, unique=True)
    due_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    claimed_by = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, help_text="Empty after a success.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")

    class Meta:
        verbose_name_plural = "duties"

    def __str__(self) -> str:
        return self.name
