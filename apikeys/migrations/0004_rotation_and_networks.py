from django.db import migrations, models

from apikeys.guards import GUARDS
from config.lib.triggers import install, lift


class Migration(migrations.Migration):
    """Adding columns makes Django rebuild the tables on SQLite, which drops their guards."""

    dependencies = [("apikeys", "0003_usage")]

    operations = [
        lift(GUARDS),
        migrations.AddField(
            "key",
            "allowed_cidrs",
            models.JSONField(blank=True, default=list, help_text="Networks it may be used from; empty: anywhere."),
        ),
        migrations.AddField(
            "key", "request_digest", models.CharField(blank=True, editable=False, max_length=64, null=True)
        ),
        migrations.AlterField(
            "secret",
            "retired_at",
            models.DateTimeField(blank=True, help_text="From then on it is refused; the clock decides.", null=True),
        ),
        install(GUARDS),
    ]
