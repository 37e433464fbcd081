from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import kinds, listeners, redacting  # noqa: F401
        from .transitions import aap  # noqa: F401  # it listens
