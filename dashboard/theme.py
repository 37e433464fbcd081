"""Light, dark, or as the machine says: kept in a cookie, so that the first paint is right."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

COOKIE = "watchfloor_theme"
YEAR = 365 * 24 * 3600
THEMES = (("", "System"), ("light", "Light"), ("dark", "Dark"))


def theme_of(request: HttpRequest) -> str:
    chosen = request.COOKIES.get(COOKIE, "")
    return chosen if chosen in dict(THEMES) else ""


def keep_theme(response: HttpResponse, theme: str, *, secure: bool) -> None:
    if theme in dict(THEMES):
        response.set_cookie(
            COOKIE, theme, max_age=YEAR, samesite="Lax", httponly=True, secure=secure
        )
