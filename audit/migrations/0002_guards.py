from django.db import migrations

from audit.trail.guards import GUARDS
from config.lib.triggers import install


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [install(GUARDS)]
