"""The API, put together: the agents' endpoints, the reviews' and the operators', one document."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from agents.api.document import with_hot_doors
from agents.api.door import AgentsAPI, problem
from agents.api.endpoints import router as agents_router
from audit.errors import NotFound, Refused
from dashboard import attempts
from people.models import PersonalToken
from reviews.api.endpoints import router as reviews_router
from reviews.api.operators import router as operators_router


class API(AgentsAPI):
    def on_refused(self, request: HttpRequest, error: Any) -> HttpResponse:
        attempts.note(error)
        if isinstance(error, NotFound) and not isinstance(
            getattr(request, "auth", None), PersonalToken
        ):
            attempts.note(Refused(error.detail, code="not_found"))
        return super().on_refused(request, error)

    def on_forbidden(self, request: HttpRequest, error: Any) -> HttpResponse:
        attempts.note(error)
        return super().on_forbidden(request, error)

    def on_stranger(self, request: HttpRequest, error: Any) -> HttpResponse:
        attempts.note(Refused("This key is not known, or it was revoked.", code="unauthorized"))
        return super().on_stranger(request, error)

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        """Ninja's document with the hot doors."""
        return with_hot_doors(super().get_openapi_schema(*args, **kwargs))


@csrf_exempt  # whoever calls here has no cookie
def nowhere(request: HttpRequest) -> HttpResponse:
    """Programs are told of an unknown address as of everything else."""
    return problem("not_found", "There is no such address.")


api = API(
    title="Watchfloor",
    version="1",
    description="Agents ask before they act. See docs/api.md for the reasons.",
    urls_namespace="api",
    openapi_url="/openapi.json",
)
api.add_router("", agents_router)
api.add_router("", reviews_router)
api.add_router("", operators_router)
