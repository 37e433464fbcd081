from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    name = "reviews"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import (  # noqa: F401  # connect themselves
            describing,
            evidence,
            halting,
            kinds,
            listeners,
            redacting,
        )
        from .alerting import document  # noqa: F401
        from .alerting import listeners as alerting  # noqa: F401
