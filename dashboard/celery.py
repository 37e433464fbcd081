"""The Celery application: what runs beside requests. Its settings are the CELERY_ ones."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

# Running as root is dangerous with pickled messages; ours are JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("watchfloor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
