"""What is recorded of the record itself, and of what leaves the house."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from .kinds import Kind, declare

CHANGES = "before:dict? after:dict?"

declare(
    Kind(
        "endpoint.created",
        _("{who} added the webhook {summary}"),
        "events:list label url",
        public=True,
    ),
    Kind(
        "attempts.muted",
        _("There were more than {most} refusals of this kind from one place: {kind}"),
        "kind most:int since:moment",
    ),
    Kind(
        "attempts.counted",
        _("{count} refusal was counted, not written: {kind}"),
        "kind count:int since:moment until:moment",
        plural=_("{count} refusals were counted, not written: {kind}"),
        by="count",
    ),
    Kind("log.checked", _("The log was computed again: {summary}"), "size:int problems:list"),
    Kind("log.key_rotated", _("{who} gave the log a new key"), CHANGES),
    Kind("endpoint.enabled", _("{who} enabled the webhook {summary}"), CHANGES, public=True),
    Kind("endpoint.disabled", _("{who} disabled a webhook: {summary}"), CHANGES, public=True),
    Kind("endpoint.deleted", _("{who} deleted the webhook {summary}"), CHANGES, public=True),
    Kind("endpoint.secret_renewed", _("{who} renewed the secret of the webhook {summary}")),
    Kind("endpoint.resent", _("{who} sent a message again: {summary}")),
    Kind("endpoint.dropped", _("A receiver was disconnected: {summary}"), CHANGES),
)
