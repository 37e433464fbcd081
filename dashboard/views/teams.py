"""A team's page: who watches it, the groups that policies name, and when it works."""

from __future__ import annotations

import zoneinfo
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audit.errors import Invalid
from dashboard.pages import people as pages
from people.models import Group, Person, Team
from people.rules.calendar import mistakes
from people.transitions import calendar as calendars
from people.transitions import group as groups

from .asked import Asked
from .refusals import attempt


@require_safe
@login_required
def team(request: Asked, pk: UUID) -> HttpResponse:
    """One team."""
    return _page(request, pages.team(pk, request.user))


def _page(request: Asked, team: Team, status: int = 200, **more: Any) -> HttpResponse:
    watching = pages.members(team)
    kept = pages.calendar(team)
    zone = request.user.time_zone
    context = {
        "team": team,
        "members": watching,
        "groups": pages.groups(team, watching),
        "may_arrange": request.user.decides_for(team.pk),
        "calendar": kept,
        "hours": pages.HoursForm.of(kept.hours if kept else None, zone),
        "days": list(enumerate(pages.DAYS)),
        "zones": sorted(zoneinfo.available_timezones()),
        "countries": pages.countries(),
        "typed": request.POST,
    }
    if kept:
        context |= _preview(kept.hours)
    return render(request, "team.html", context | more, status=status)


def _preview(hours: Any) -> dict[str, Any]:
    now = timezone.now()
    return {"sample": pages.sample(hours, now), "days_off": pages.next_days_off(hours, now)}


# -- groups ----------------------------------------------------------------------------------------


@require_POST
@login_required
def add_group(request: Asked, pk: UUID) -> HttpResponse:
    found = pages.team(pk, request.user)
    with attempt() as outcome:
        groups.create(found, request.POST.get("name", ""), by=request.user)
        return redirect(f"{found.get_absolute_url()}#groups")
    return _page(request, found, outcome.status, group_problem=outcome.problem)


@require_POST
@login_required
def rename_group(request: Asked, pk: UUID, group: UUID) -> HttpResponse:
    found, its_group = _found(request, pk, group)
    with attempt() as outcome:
        groups.rename(its_group, request.POST.get("name", ""), by=request.user)
        return redirect(f"{found.get_absolute_url()}#groups")
    return _page(request, found, outcome.status, group_problem=outcome.problem)


@require_POST
@login_required
def delete_group(request: Asked, pk: UUID, group: UUID) -> HttpResponse:
    found, its_group = _found(request, pk, group)
    with attempt() as outcome:
        groups.delete(its_group, by=request.user)
        messages.success(request, f"{its_group} is gone.")
        return redirect(f"{found.get_absolute_url()}#groups")
    return _page(request, found, outcome.status, group_problem=outcome.problem)


@require_POST
@login_required
def join_group(request: Asked, pk: UUID, group: UUID) -> HttpResponse:
    found, its_group = _found(request, pk, group)
    with attempt() as outcome:
        groups.add(its_group, _person(request, found), by=request.user)
        return redirect(f"{found.get_absolute_url()}#groups")
    return _page(request, found, outcome.status, group_problem=outcome.problem)


@require_POST
@login_required
def leave_group(request: Asked, pk: UUID, group: UUID) -> HttpResponse:
    found, its_group = _found(request, pk, group)
    with attempt() as outcome:
        groups.remove(its_group, _member(request, its_group), by=request.user)
        return redirect(f"{found.get_absolute_url()}#groups")
    return _page(request, found, outcome.status, group_problem=outcome.problem)


def _found(request: Asked, pk: UUID, group: UUID) -> tuple[Team, Group]:
    team = pages.team(pk, request.user)
    return team, get_object_or_404(Group, pk=group, team=team)


def _person(request: Asked, team: Team) -> Person:
    """One of those who watch the team: who else there is, is not to be found out here."""
    wanted = request.POST.get("person", "")
    for membership in pages.members(team):
        if str(membership.person_id) == wanted:
            return membership.person
    raise Invalid("Choose somebody who watches this team.")


def _member(request: Asked, group: Group) -> Person:
    for person in group.members.all():
        if str(person.pk) == request.POST.get("person", ""):
            return person
    raise Invalid("They are not in this group.")


# -- working hours ---------------------------------------------------------------------------------


@require_POST
@login_required
def set_calendar(request: Asked, pk: UUID) -> HttpResponse:
    found = pages.team(pk, request.user)
    form = pages.HoursForm.typed(request.POST)
    hours, wrong = form.read()
    with attempt() as outcome:
        if wrong and request.user.decides_for(found.pk):
            raise Invalid("Some of this cannot be read.")
        calendars.put(found, hours, by=request.user)
        messages.success(request, f"{found}'s working hours are kept.")
        return redirect(f"{found.get_absolute_url()}#hours")
    wrong = {**mistakes(hours), **wrong}
    more = {"hours": form, "wrong": wrong, "hours_problem": outcome.problem}
    return _page(request, found, outcome.status, **more)


@require_POST
@login_required
def preview_calendar(request: Asked, pk: UUID) -> HttpResponse:
    """What the typed hours would mean, before they are kept."""
    pages.team(pk, request.user)
    hours, wrong = pages.HoursForm.typed(request.POST).read()
    wrong = {**mistakes(hours), **wrong}
    told = {"wrong_now": list(wrong.values())} if wrong else _preview(hours)
    return render(request, "team.html#preview", told)


@require_POST
@login_required
def remove_calendar(request: Asked, pk: UUID) -> HttpResponse:
    found = pages.team(pk, request.user)
    with attempt() as outcome:
        calendars.remove(found, by=request.user)
        messages.success(request, f"{found} works round the clock.")
        return redirect(f"{found.get_absolute_url()}#hours")
    return _page(request, found, outcome.status, hours_problem=outcome.problem)
