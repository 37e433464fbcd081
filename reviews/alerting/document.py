"""Alert routes in a team's policy document: read with the other sections, made so when it is saved."""

from __future__ import annotations

from agents.rules.policy.sections import Section, register

from ..rules.alert_routes import parse_routes

register(
    Section(
        "alerts",
        "Alert routes",
        lambda value, of_agent: parse_routes(value),
        lambda one: str(one.name),
        lambda one: str(one),
        of_agents=False,
    )
)
