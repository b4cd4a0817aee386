import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

import config.lib.ids


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0007_held_by"),
        ("tenants", "0002_user_tokens"),
    ]

    operations = [
        migrations.CreateModel(
            name="HandOver",
            fields=[
                ("id", models.UUIDField(default=config.lib.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("overlap", models.DurationField()),
                ("offered_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("key", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="hand_overs", to="apikeys.key")),
                ("offered_by", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("organization", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization")),
                ("receiver", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.membership")),
                ("replacement", models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="replaces", to="apikeys.key")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(condition=Q(ended_at=None), fields=("key",), name="key_has_one_hand_over_at_a_time"),
                    models.CheckConstraint(condition=Q(replacement=None) | Q(accepted_at__isnull=False), name="replacement_was_accepted"),
                    models.CheckConstraint(condition=Q(replacement=None) | ~Q(replacement=F("key")), name="key_does_not_replace_itself"),
                ],
            },
        ),
    ]
