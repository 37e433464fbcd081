"""The agents' API, put together: the agents' and the reviews' endpoints, one document."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from agents.api.document import with_hot_doors
from agents.api.door import AgentsAPI, problem
from agents.api.endpoints import router as agents_router
from reviews.api.endpoints import router as reviews_router


class API(AgentsAPI):
    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        """Ninja's document with the hot doors."""
        return with_hot_doors(super().get_openapi_schema(*args, **kwargs))


def nowhere(request: HttpRequest) -> HttpResponse:
    """Agents are told of an unknown address as of everything else."""
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
