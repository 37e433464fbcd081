"""The Celery application: what runs beside requests. Its settings are the CELERY_ ones."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

app = Celery("watchfloor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
