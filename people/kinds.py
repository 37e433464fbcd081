"""What is recorded of people, teams, groups, hours, stand-ins and tokens."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from audit.kinds import Kind, declare

CHANGES = "before:dict? after:dict?"

declare(
    Kind("person.added", _("{who} added {name}"), "name email"),
    Kind(
        "person.joined",
        _("{who} gave {what} the role {role}"),
        f"role team:id? {CHANGES}",
    ),
    Kind("person.changed", _("{who} changed how {what} is set up"), CHANGES),
    Kind("person.switched_off", _("{who} switched {what} off: nothing lets them in"), CHANGES),
    Kind("person.switched_on", _("{who} let {what} in again"), CHANGES),
    Kind("link.made", _("{who} made a link with which {what} chooses a password, once")),
    Kind("team.created", _("{who} made the team {name}"), "name"),
    Kind("calendar.set", _("{who} set the working hours of {what}"), CHANGES),
    Kind("calendar.removed", _("{who} let {what} work round the clock"), CHANGES),
    Kind("group.created", _("{who} made the group {group}"), "group"),
    Kind("group.renamed", _("{who} gave the group {what} another name"), CHANGES),
    Kind("group.joined", _("{who} let {person} into the group {group}"), "person group"),
    Kind("group.left", _("{who} took {person} out of the group {group}"), "person group"),
    Kind("group.deleted", _("{who} deleted the group {group}"), "group members:list"),
    Kind(
        "delegation.given",
        _("{who} said that {taker} decides for {giver}"),
        "giver taker starts_at:moment ends_at:moment reason",
    ),
    Kind("delegation.ended", _("{who} ended that {taker} decides for {giver}"), "giver taker"),
    Kind(
        "token.issued",
        _("{who} made the token {label}"),
        "label scopes:list expires_at:moment person",
    ),
    Kind("token.revoked", _("{who} revoked the token {label}"), "label person"),
)
