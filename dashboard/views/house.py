"""Settings: how I like it, who watches, what teams own, and whether every part is well."""

from __future__ import annotations

import zoneinfo

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.models.outbox import teams_kept_by
from dashboard.pages.alerts import failing
from dashboard.pages.counts import waiting_for
from dashboard.pages.guard import guards
from people.models import Membership, Team
from people.rules.permissions import Permission

from .asked import Asked
from .health import parts


@require_safe
@login_required
def house(request: Asked) -> HttpResponse:
    person = request.user
    mine = Q() if person.watches_everything else Q(pk__in=person.team_ids)
    teams = Team.objects.filter(mine).annotate(agent_count=Count("agents")).order_by("name")
    theirs = Q() if person.watches_everything else Q(team__in=person.team_ids) | Q(team=None)
    members = Membership.objects.filter(theirs).select_related("person", "team")
    return render(
        request,
        "settings.html",
        {
            "zones": sorted(zoneinfo.available_timezones()),
            "members": members.order_by("person__name", "team__name")[:500],
            "teams": teams,
            "queues": waiting_for(request).queues,
            "parts": parts(),
            "failing": failing(person),
            "keeps_webhooks": bool(teams_kept_by(person)),
            "guards_record": guards(Permission.LEGAL_HOLD, person),
        },
    )
