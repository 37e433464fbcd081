"""Addresses of the protocol, below `/api/aap/`. `GET /v1/requests/{id}` is a hot door."""

from __future__ import annotations

from django.urls import path, re_path

from . import endpoints, instances
from .door import door, nowhere

urlpatterns = [
    path("v1/requests", endpoints.all_of_them),
    path("v1/requests/<uuid:pk>", endpoints.one),
    path("v1/requests/<uuid:pk>/consume", endpoints.taking),
    path("v1/requests/<uuid:pk>/outcome", endpoints.ending),
    path("v1/instances", instances.all_of_them),
    path("v1/instances/<uuid:pk>", instances.one),
    re_path(
        "",
        door(GET=nowhere, POST=nowhere, PUT=nowhere, PATCH=nowhere, DELETE=nowhere, HEAD=nowhere),
    ),
]
