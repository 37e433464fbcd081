from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "dashboard"

    def ready(self) -> None:
        # Tasks are declared with `shared_task`: whoever sends one must know the application that carries it.
        from dashboard import (
            celery,  # noqa: F401
            kinds,  # noqa: F401  # declare themselves
        )
