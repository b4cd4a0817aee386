from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("oauth", "0001_initial")]

    operations = [
        migrations.AddField(
            "application",
            "pkce_waived_at",
            models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddConstraint(
            "application",
            models.CheckConstraint(
                condition=Q(pkce_waived_at=None)
                | Q(authorization_grant_type="authorization-code", client_type="confidential"),
                name="only_web_applications_waive_pkce",
            ),
        ),
    ]
