"""Addresses, one word each from here to the test."""

from __future__ import annotations

from django.urls import path

from dashboard.views import health

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
]
