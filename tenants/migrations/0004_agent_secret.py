from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0003_single_sign_on'),
    ]

    operations = [
        migrations.AddField(
            model_name='agent',
            name='secret_id',
            field=models.UUIDField(blank=True, null=True),
        ),
    ]
