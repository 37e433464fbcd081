from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    name = "reviews"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import describing, evidence, kinds, listeners, redacting  # noqa: F401  # connect themselves
        from .alerting import document  # noqa: F401
        from .alerting import listeners as alerting  # noqa: F401
