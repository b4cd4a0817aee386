from django.db import migrations, models

from apikeys.guards import GUARDS
from config.lib.triggers import install, lift


class Migration(migrations.Migration):
    """The holder of a key, and the guard that keeps its end from moving out."""

    dependencies = [("apikeys", "0005_organization_keys")]

    operations = [
        lift(GUARDS),
        migrations.AddField(
            "key",
            "held_by",
            models.CharField(
                blank=True, help_text="The team, system or place where it is stored.", max_length=255
            ),
        ),
        install(GUARDS),
    ]
