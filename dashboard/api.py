"""The API, put together: the agents' endpoints, the reviews' and the operators', one document."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from agents.api.document import with_hot_doors
from agents.api.door import AgentsAPI, problem
from agents.api.endpoints import router as agents_router
from reviews.api.endpoints import router as reviews_router
from reviews.api.operators import router as operators_router


class API(AgentsAPI):
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
