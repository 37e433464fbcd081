from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import anchors, guard_kinds, own_kinds, redacting, sequencing  # noqa: F401  # declare themselves
        from .evidence import kinds as _kinds  # noqa: F401
        from .evidence import redacting as _redacting  # noqa: F401
        from .evidence import tasks as _tasks  # noqa: F401  # it is no app, so nobody else looks for it
        from .granting import grant_after_migrating

        sequencing.refusals.append(anchors.refusal)
        post_migrate.connect(grant_after_migrating, sender=self)
