"""How people come in: by name and password. Nobody signs up: an admin adds people."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest, HttpResponse

from dashboard import comings
from people.models import Person


class Adapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def respond_user_inactive(self, request: HttpRequest, user: Person) -> HttpResponse:
        comings.refused(user.name, "This person is switched off.")
        response: HttpResponse = super().respond_user_inactive(request, user)
        return response
