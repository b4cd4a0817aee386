from django.db import migrations, models

from apikeys.guards import GUARDS
from config.lib.triggers import install, lift


class Migration(migrations.Migration):
    """Secrets that exist keep working: without a lapse, a secret is live from the start."""

    dependencies = [("apikeys", "0005_organization_keys")]

    operations = [
        lift(GUARDS),
        migrations.CreateModel(
            name='RetiredUse',
            fields=[
                ('secret_id', models.UUIDField(primary_key=True, serialize=False)),
                ('key_id', models.UUIDField()),
                ('at', models.DateTimeField()),
                ('address', models.CharField(blank=True, max_length=64)),
                ('user_agent', models.CharField(blank=True, max_length=256)),
                ('reported_at', models.DateTimeField(help_text='The time of the request that was reported.', null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='secret',
            name='key_has_one_live_secret',
        ),
        migrations.AddField(
            model_name='secret',
            name='activated_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='The first use of a pending secret.', null=True),
        ),
        migrations.AddField(
            model_name='secret',
            name='ends_with_last_host',
            field=models.BooleanField(default=False, editable=False, help_text='End the old secret as soon as every known host has moved to this one.'),
        ),
        migrations.AddField(
            model_name='secret',
            name='grace_seconds',
            field=models.PositiveIntegerField(blank=True, editable=False, help_text='How long the old secret works after the first use of this one.', null=True),
        ),
        migrations.AddField(
            model_name='secret',
            name='idempotency_key',
            field=models.CharField(blank=True, editable=False, max_length=64, null=True),
        ),
        migrations.AddField(
            model_name='secret',
            name='lapses_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='A pending secret ends then if unused.', null=True),
        ),
        migrations.AddIndex(
            model_name='secret',
            index=models.Index(condition=models.Q(('retired_at__isnull', False)), fields=['retired_at'], name='secrets_that_end'),
        ),
        migrations.AddConstraint(
            model_name='secret',
            constraint=models.UniqueConstraint(condition=models.Q(('retired_at', None), models.Q(('lapses_at', None), ('activated_at__isnull', False), _connector='OR')), fields=('key',), name='key_has_one_live_secret'),
        ),
        migrations.AddConstraint(
            model_name='secret',
            constraint=models.UniqueConstraint(condition=models.Q(('activated_at', None), ('lapses_at__isnull', False), ('retired_at', None)), fields=('key',), name='key_has_one_pending_secret'),
        ),
        migrations.AddConstraint(
            model_name='secret',
            constraint=models.UniqueConstraint(fields=('key', 'idempotency_key'), name='one_form_makes_one_secret'),
        ),
        migrations.AddConstraint(
            model_name='secret',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('activated_at', None), ('grace_seconds', None), ('lapses_at', None)), models.Q(('grace_seconds__isnull', False), ('lapses_at__isnull', False)), _connector='OR'), name='pending_secret_has_a_grace_and_lapses'),
        ),
        migrations.AddIndex(
            model_name='retireduse',
            index=models.Index(fields=['key_id'], name='retired_uses_of_key'),
        ),
        install(GUARDS),
    ]
