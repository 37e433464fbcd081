"""`manage.py floor stop|resume|stops`: the big red switch, for when the web is down."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, Min

from agents.models import Agent, AgentState, Run, Trip
from agents.transitions import switch
from audit.errors import Refused
from people.models import Team
from reviews.transitions import stops

BY = "command"


class Command(BaseCommand):
    help = "Stop every agent of a team, or of the house, and let them run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="stop|resume|stops")
        stop = verbs.add_parser("stop", help="pause every active agent, of a team or of all")
        stop.add_argument("--team", help="only this team's")
        stop.add_argument("--reason", required=True, help="for whoever is asked what now")
        resume = verbs.add_parser("resume", help="let all run again that one stop paused")
        resume.add_argument(
            "group", metavar="GROUP", help="as `stop` printed it, or `stops` lists it"
        )
        resume.add_argument("--reason", default="", help="for the record")
        stops_of = verbs.add_parser("stops", help="stops of many that still wait for an answer")
        for verb in (stop, resume):
            verb.add_argument("--yes", action="store_true", help="do not ask again")
        for verb in (stop, resume, stops_of):
            verb.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told, words = getattr(self, f"_{options['verb']}")(**options)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(json.dumps(told) if options["json"] else words)

    def _stop(self, *, team: str | None, reason: str, yes: bool, **_: Any) -> tuple[Any, str]:
        owner = None if team is None else found(team)
        active = Agent.objects.filter(state=AgentState.ACTIVE)
        if owner is not None:
            active = active.filter(team=owner)
        runs = Run.objects.filter(agent__in=active).live().count()
        word = owner.name if owner else "STOP"
        self._ask_again(
            f"Pauses {active.count()} agents with {runs} live runs. Type {word} to go on: ",
            word,
            yes,
        )
        made = (
            switch.stop_everything(by=BY, reason=reason)
            if owner is None
            else switch.stop_team(owner, by=BY, reason=reason)
        )
        group = str(made[0].group)
        told = {"group": group, "agents": len(made)}
        return told, f"{len(made)} agents are paused. To undo: manage.py floor resume {group}"

    def _resume(self, *, group: str, reason: str, yes: bool, **_: Any) -> tuple[Any, str]:
        try:
            pk = UUID(group)
        except ValueError:
            raise CommandError(
                f"{group} is no group: `manage.py floor stops` lists them."
            ) from None
        waiting = len(stops.waiting_of(pk))
        self._ask_again(f"Resumes {waiting} agents. Type RESUME to go on: ", "RESUME", yes)
        resumed = stops.resume_group(pk, by=BY, note=reason)
        told = {"group": group, "agents": len(resumed)}
        return told, f"{len(resumed)} agents run again."

    def _stops(self, **_: Any) -> tuple[Any, str]:
        rows = Trip.objects.filter(ended_at=None, group__isnull=False).order_by().values("group")
        told = [
            {"group": str(row["group"]), "agents": row["n"], "reason": row["why"]}
            for row in rows.annotate(n=Count("pk"), why=Min("reason"), at=Min("opened_at"))
        ]
        lines = [f"{row['group']}  {row['agents']} agents  {row['reason']}" for row in told]
        return told, "\n".join(lines) or "No stop of many waits for an answer."

    def _ask_again(self, question: str, word: str, yes: bool) -> None:
        if not yes and input(question).strip() != word:
            raise CommandError("Nothing was changed.")


def found(name: str) -> Team:
    team = Team.objects.filter(name=name).first()
    if team is None:
        known = ", ".join(Team.objects.values_list("name", flat=True))
        raise CommandError(f"There is no team {name}. There are: {known or 'none'}.")
    return team
