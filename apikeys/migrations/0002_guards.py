from django.db import migrations

from apikeys.guards import GUARDS
from config.lib.triggers import install


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0001_initial")]

    operations = [install(GUARDS)]
