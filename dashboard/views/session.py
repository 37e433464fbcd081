"""Coming in, going out, and how one likes it: sign-in, one-time links, theme and time zone."""

from __future__ import annotations

import zoneinfo
from typing import Any

from allauth.account.views import LoginView, ReauthenticateView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme, urlsafe_base64_decode
from django.views.csrf import csrf_failure
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from dashboard import comings
from dashboard.sessions import note_sign_in
from dashboard.theme import keep_theme
from people.models import Person
from people.transitions import person as people

from .asked import Asked

BACKEND = settings.AUTHENTICATION_BACKENDS[0]


class SignIn(LoginView):  # type: ignore[misc]
    """allauth's, which counts attempts; an answer to wrong input says so by its status, too."""

    template_name = "account/sign-in.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        comings.refused(form.data.get("login", ""), reason_of(form))
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 422
        return response


class SignInAgain(ReauthenticateView):  # type: ignore[misc]
    """Who is in already shows once more who they are, and goes on where that was asked for."""

    template_name = "account/sign-in-again.html"

    def form_valid(self, form: Any) -> HttpResponse:
        comings.confirmed(self.request.user)
        note_sign_in(self.request)
        response: HttpResponse = super().form_valid(form)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        comings.not_confirmed(self.request.user, reason_of(form))
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 422
        return response


def reason_of(form: Any) -> str:
    """The first sentence that says what was wrong."""
    return next((str(one) for errors in form.errors.values() for one in errors), "")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        logout(request)
    return redirect("sign-in")


def too_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without the secret of this sign-in. A page that would put the answer into itself is told in a header."""
    if "HX-Request" not in request.headers:
        return csrf_failure(request, reason)
    told = "This page is older than your sign-in; nothing was changed."
    return HttpResponseForbidden(
        told, content_type="text/plain", headers={"Watchfloor-Too-Old": "page"}
    )


@never_cache
@sensitive_post_parameters()
def welcome(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Choose a password, once: the link dies with the first use, a sign-in or a day or so."""
    person = _invited(uid, token)
    if person is None:
        comings.link_refused("This link is over.")
        return render(request, "account/link-over.html", status=410)
    form = SetPasswordForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            people.choose_password(person, form.save, how="link")
            login(request, person, backend=BACKEND)
        return redirect(settings.LOGIN_REDIRECT_URL)
    status = 422 if form.errors else 200
    return render(request, "account/welcome.html", {"form": form, "invited": person}, status=status)


def _invited(uid: str, token: str) -> Person | None:
    try:
        pk = urlsafe_base64_decode(uid).decode()
        person = Person.objects.get(pk=pk, is_active=True)
    except (ValueError, ValidationError, Person.DoesNotExist):
        return None
    return person if default_token_generator.check_token(person, token) else None


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    response = _back(request)
    keep_theme(response, request.POST.get("theme", ""), secure=settings.SESSION_COOKIE_SECURE)
    return response


@require_POST
@login_required
def time_zone(request: Asked) -> HttpResponse:
    chosen = request.POST.get("time_zone", "")
    if chosen not in zoneinfo.available_timezones():
        messages.error(request, "There is no such time zone.")
    else:
        people.set_time_zone(request.user, chosen, by=request.user)
        messages.success(request, f"Times are now shown in {chosen}.")
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """To the page the person came from, if it is ours."""
    referer = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        referer, {request.get_host()}, require_https=request.is_secure()
    )
    return redirect(referer if is_ours else settings.LOGIN_REDIRECT_URL)


def inactive(request: HttpRequest) -> HttpResponse:
    """Where allauth sends those who were switched off."""
    return render(request, "account/inactive.html", status=403)
