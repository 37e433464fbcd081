from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import anchors, guard_kinds, own_kinds, redacting, sequencing  # noqa: F401  # declare themselves
        from .granting import grant_after_migrating

        sequencing.refusals.append(anchors.refusal)
        post_migrate.connect(grant_after_migrating, sender=self)
