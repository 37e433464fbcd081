from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "dashboard"

    def ready(self) -> None:
        # Tasks are declared with `shared_task`: whoever sends one must know the application that carries it.
        from dashboard import celery, comings, kinds  # noqa: F401  # and who listens, and declares
