"""`manage.py budget list|set|raise|check`: budgets for those who keep them beside their code, and whether they add up."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from agents import ledger
from agents.models import Account, Agent, Budget
from agents.rules.breakers.words import amount
from agents.rules.budget_settings import limit_of, parse_budget
from agents.transitions import budget as budgets
from audit.errors import Invalid, Refused
from people.models import Person, Team

BY = "command"


class Command(BaseCommand):
    help = "List, set and raise budgets, and check that every account is the sum of its actions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verbs.add_parser("list", help="what is spent, reserved and left")
        given = verbs.add_parser("set", help="give a team or an agent a budget, or another limit")
        raised = verbs.add_parser("raise", help="more, for this period or for good")
        verbs.add_parser("check", help="recompute every account and run; exits 1 when one is wrong")
        listed.add_argument("--team")
        for command in (given, raised):
            command.add_argument("name")
            command.add_argument("limit", help="$50, 200k tokens")
            command.add_argument("--team", required=True)
            command.add_argument("--agent", help="of the team: only this one’s")
            command.add_argument("--by", help="the person whose change it is; checked like theirs")
        given.add_argument("--per", default="day", help="run, hour, day (default) or month")
        given.add_argument("--scope", help="run, agent or team; default: team, or the agent")
        raised.add_argument("--for-good", action="store_true", help="also in periods to come")
        raised.add_argument("--why", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"{options['verb']}_budgets")(**options)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        except PermissionDenied as refusal:
            raise CommandError(str(refusal)) from refusal

    def list_budgets(self, *, team: str | None, **_: Any) -> None:
        found = Budget.objects.select_related("team", "agent").order_by("team__name", "name")
        if team:
            found = found.filter(team=team_named(team))
        for budget in found:
            setting = budgets.setting_of(budget)
            self.stdout.write(f"{owner(budget)}: {budget.name}: {setting}")
            for account in budgets.present(Account.objects.filter(budget=budget))[:100]:
                room = budget.limit + account.raised
                left = max(room - account.spent - account.reserved, Decimal(0))
                self.stdout.write(
                    f"  {account.owner} {amount(account.spent, budget.unit)} spent, "
                    f"{amount(account.reserved, budget.unit)} reserved, {amount(left, budget.unit)} left"
                )

    def set_budgets(
        self, *, name: str, limit: str, team: str, agent: str | None, per: str, **options: Any
    ) -> None:
        of = team_named(team)
        written = {"name": name, "limit": limit, "per": per}
        if options["scope"]:
            written["scope"] = options["scope"]
        setting = parse_budget(written, of_agent=agent is not None)
        whose = agent_named(of, agent) if agent else None
        budgets.set(of, whose, setting, by=person(options["by"]))
        self.stdout.write(f"{name}: {setting}")

    def raise_budgets(
        self, *, name: str, limit: str, team: str, agent: str | None, for_good: bool, **options: Any
    ) -> None:
        """For this period, every account of the present one is raised that is below."""
        of = team_named(team)
        whose = agent_named(of, agent) if agent else None
        budget = Budget.objects.filter(team=of, agent=whose, name=name).first()
        if budget is None:
            raise Invalid(f"{team} has no budget “{name}”.")
        unit, to = limit_of(limit)
        if unit != budget.unit:
            raise Invalid(f"“{name}” counts {budget.get_unit_display()}.")
        by, why = person(options["by"]), options["why"]
        if for_good:
            budgets.raise_for_good(budget, to, by=by, why=why)
            self.stdout.write(f"{name}: {amount(to, unit)} from now on")
            return
        raised = 0
        for account in budgets.present(Account.objects.filter(budget=budget)):
            if budget.limit + account.raised < to:
                budgets.raise_for_now(account, to, by=by, why=why)
                raised += 1
        self.stdout.write(f"{name}: {amount(to, unit)} for this period, {raised} accounts raised")

    def check_budgets(self, **_: Any) -> None:
        found = ledger.check()
        for wrong in found:
            self.stdout.write(wrong.sentence)
        if found:
            sys.exit(1)
        self.stdout.write("Every account and every run adds up.")


def owner(budget: Budget) -> str:
    return f"{budget.team.name}/{budget.agent.name}" if budget.agent else budget.team.name


def team_named(name: str) -> Team:
    found = Team.objects.filter(name=name).first()
    if found is None:
        raise Invalid(f"There is no team “{name}”.")
    return found


def agent_named(team: Team, name: str) -> Agent:
    found = Agent.objects.filter(team=team, name=name).first()
    if found is None:
        raise Invalid(f"{team} has no agent “{name}”.")
    return found


def person(name: str | None) -> Person | str:
    if name is None:
        return BY
    found = Person.objects.filter(name=name, is_active=True).first()
    if found is None:
        raise Invalid(f"There is no person “{name}” who can sign in.")
    return found
