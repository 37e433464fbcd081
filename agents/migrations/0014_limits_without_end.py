"""A limit that nobody will reach counts as far as an integer goes, and fails nobody: loaded with the facts."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("agents", "0013_room_for_sums")]

    operations = []
