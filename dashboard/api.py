"""The agents' API, put together: the agents' and the reviews' endpoints, one document."""

from __future__ import annotations

from typing import Any

from agents.api.document import with_hot_doors
from agents.api.door import AgentsAPI
from agents.api.endpoints import router as agents_router
from reviews.api.endpoints import router as reviews_router


class API(AgentsAPI):
    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        """Ninja's document with the hot doors."""
        return with_hot_doors(super().get_openapi_schema(*args, **kwargs))


api = API(
    title="Watchfloor",
    version="1",
    description="Agents ask before they act. See docs/api.md for the reasons.",
    urls_namespace="api",
    openapi_url="/openapi.json",
)
api.add_router("", agents_router)
api.add_router("", reviews_router)
