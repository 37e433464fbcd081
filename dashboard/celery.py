"""The Celery application: what runs beside requests. Its settings are the CELERY_ ones."""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import task_postrun, task_prerun, worker_ready

from audit import source

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

# Running as root is dangerous with pickled messages; ours are JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("watchfloor")


@task_prerun.connect(dispatch_uid="where a task comes from")  # type: ignore[untyped-decorator]
def begin(task: Any, **_: Any) -> None:
    """What the clock does, and what somebody's act left to a worker, are told apart in the record."""
    due = {one["task"] for one in app.conf.beat_schedule.values()}
    channel: source.Channel = "clock" if task.name in due else "worker"
    source.enter(source.facts(channel, program=task.name))


@worker_ready.connect(dispatch_uid="how the house is set up")  # type: ignore[untyped-decorator]
def ready(**_: Any) -> None:
    from dashboard import house_settings

    house_settings.tell_if_possible()


@task_postrun.connect(dispatch_uid="where a task came from")  # type: ignore[untyped-decorator]
def end(**_: Any) -> None:
    source.enter({})


app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
