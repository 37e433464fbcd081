"""What is recorded of holds and the answers to them, of alerts and how people are told."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from audit.kinds import Kind, declare

CHANGES = "before:dict? after:dict?"
ON = "title on_behalf_of seat:id"
"""What it is about, for whom it was asked, and in whose seat the person decides who stands in for somebody."""
BOUND = f"{ON} digest policy_version revision:int {CHANGES}"
"""Besides: exactly what a yes binds, under which policies."""
GIVEN = f"{BOUND} votes:int needed:int lapsed:list"
STOPPED = f"{ON} was_true:bool extra:decimal group:id {CHANGES}"

declare(
    Kind("hold.opened", _("A person is asked: {title}"), f"kind queue {BOUND}", public=True),
    Kind("hold.claimed", _("{who} took {title}"), f"{ON} {CHANGES}", public=True),
    Kind("hold.released", _("{who} gave {title} back"), f"{ON} {CHANGES}", public=True),
    Kind(
        "hold.voted",
        _("{who} said yes to {title}, the first of {needed}"),
        GIVEN,
        public=True,
        plural=_("{who} said yes to {title}, the yes number {votes} of {needed}"),
        by="votes",
    ),
    Kind("hold.approved", _("{who} approved {title}"), GIVEN, public=True),
    Kind("hold.edited", _("{who} approved {title} with changes"), GIVEN, public=True),
    Kind("hold.rejected", _("{who} rejected {title}"), BOUND, public=True),
    Kind("hold.answered", _("{who} answered {title} in words"), BOUND, public=True),
    Kind("hold.asked", _("{who} asked back about {title}"), BOUND, public=True),
    Kind("hold.commented", _("{who} commented on {title}"), ON, public=True),
    Kind(
        "hold.reminded",
        _("{share} % of the time to answer {title} is over"),
        f"{ON} share:int expires_at:moment",
        public=True,
    ),
    Kind(
        "hold.escalated", _("{who} handed {title} to another queue"), f"{ON} {CHANGES}", public=True
    ),
    Kind("hold.extended", _("{who} gave {title} more time"), f"{ON} {CHANGES}", public=True),
    Kind("hold.expired", _("Nobody answered {title} in time"), BOUND, public=True),
    Kind("hold.cancelled", _("{title} no longer waits: {summary}"), BOUND, public=True),
    Kind("hold.resolved", _("{who} resolved {title}"), BOUND, public=True),
    Kind("hold.retried", _("{who} sent {title} back to try again"), BOUND, public=True),
    Kind("hold.discarded", _("{who} discarded {title}"), BOUND, public=True),
    Kind("hold.changed", _("{who} changed what {title} asks for"), BOUND, public=True),
    Kind(
        "hold.redelivered",
        _("{who} told the agent of {title} again"),
        f"{BOUND} renewed:bool",
        public=True,
    ),
    Kind("hold.resumed", _("{who} let it run again: {title}"), STOPPED, public=True),
    Kind(
        "hold.modified",
        _("{who} changed something and let it run again: {title}"),
        f"{STOPPED} instruction state:dict limit:decimal? extra:decimal? model tools:list? "
        "changes:list with:id",
        public=True,
    ),
    Kind("hold.terminated", _("{who} ended it: {title}"), STOPPED, public=True),
)
# -- alerts ----------------------------------------------------------------------------------------
declare(
    Kind("alert.fired", _("An alert fired: {summary}"), "kind severity silence:id"),
    Kind("alert.heard", _("An alert is heard again: {summary}")),
    Kind("alert.repeated", _("People were told once more: {summary}")),
    Kind("alert.acknowledged", _("{who} is at it: {summary}"), CHANGES),
    Kind("alert.resolved", _("An alert is over: {summary}"), f"hold:id {CHANGES}"),
    Kind(
        "silence.begun", _("{who} silenced alerts: {summary}"), "kind agent severity until:moment"
    ),
    Kind("silence.ended", _("{who} ended a silence"), CHANGES),
    Kind("channel.created", _("{who} added the channel {name}"), "kind name shown"),
    Kind("channel.tested", _("{who} tested the channel {name}"), "name"),
    Kind("channel.disabled", _("{who} disabled the channel {name}"), f"name {CHANGES}"),
    Kind("channel.enabled", _("{who} enabled the channel {name}"), f"name {CHANGES}"),
    Kind("channel.deleted", _("{who} deleted the channel {name}"), f"name {CHANGES}"),
    Kind("channel.resent", _("{who} sent a message again: {summary}"), "name"),
    Kind("channel.failing", _("{name} fails: {summary}"), "name"),
    Kind("channel.recovered", _("{name} works again"), "name"),
    Kind("route.created", _("{who} made the alert route {name}"), f"name {CHANGES}"),
    Kind("route.changed", _("{who} changed the alert route {name}"), f"name {CHANGES}"),
    Kind("route.moved", _("{who} moved the alert route {name}"), f"name {CHANGES}"),
    Kind("route.deleted", _("{who} deleted the alert route {name}"), f"name {CHANGES}"),
)
