from django.db import migrations, models
from django.db.models import Q

from apikeys.guards import GUARDS
from config.lib.triggers import install, lift


class Migration(migrations.Migration):
    """Changing constraints makes Django rebuild the table on SQLite, which drops its guards."""

    dependencies = [("apikeys", "0004_rotation_and_networks")]

    operations = [
        lift(GUARDS),
        migrations.RemoveConstraint("key", "public_key_has_owner_and_scopes"),
        migrations.AddConstraint(
            "key",
            models.CheckConstraint(
                condition=~Q(kind="public") | ~Q(scopes=[]), name="public_key_has_scopes"
            ),
        ),
        migrations.RemoveConstraint("key", "one_request_issues_one_key"),
        migrations.AddConstraint(
            "key",
            models.UniqueConstraint(
                fields=["idempotency_key"], name="one_request_issues_one_key"
            ),
        ),
        install(GUARDS),
    ]
