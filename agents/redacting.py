"""What agents wanted to do, with what and what came of it: copies of what is erased from the record.

Digests stay, so that it can still be shown that what was approved is what was done.
"""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.dispatch import receiver

from audit import signals
from audit.errors import Conflict
from audit.signals import Redaction

from .models import Action, AgentVersion, Limit, Price, Run, Trip
from .models.aap import AAPRequest, AAPStatus
from .models.run import Checkpoint, Directive

GONE: dict[str, Any] = {"erased": True}
SIGNED = (
    (Action, "decided_by"),
    (AgentVersion, "deployed_by"),
    (Directive, "by"),
    (Limit, "changed_by"),
    (Price, "by"),
    (Trip, "by"),
)
"""Columns that keep, readably, who it was."""
UNDER_WAY = ("allowed", "held", "approved", "executing")


@receiver(signals.redacting)
def let_go(redaction: Redaction, **_: Any) -> dict[str, int]:
    actions = Action.objects.filter(pk__in=redaction.of("agents.action")).exclude(arguments=GONE)
    trips = Trip.objects.filter(pk__in=redaction.of("agents.trip")).exclude(evidence=GONE)
    runs = Run.objects.filter(pk__in=redaction.of("agents.run")).exclude(metadata=GONE)
    behalf = _on_behalf_of(redaction)
    counts = {"action": actions.count(), "stop": trips.count(), "run": runs.count()}
    if behalf is not None:
        counts["mention"] = Action.objects.filter(behalf).count()
    if redaction.really:
        if open_one := actions.filter(state__in=UNDER_WAY).first():
            raise Conflict(f"{open_one.tool} is still under way: wait until it is over, or end it.")
        if runs.live().exists():
            raise Conflict("A run of it still runs: wait until it is over, or end it.")
        _actions(actions)
        trips.update(reason="Erased.", evidence=GONE)
        _runs(runs)
        if behalf is not None:
            Action.objects.filter(behalf).update(on_behalf_of="")
            Run.objects.filter(behalf).update(on_behalf_of="")
            redaction.rename(*SIGNED)
    return counts


def _actions(actions: QuerySet[Action]) -> None:
    ids = list(actions.values_list("pk", flat=True))
    asked = AAPRequest.objects.filter(action__in=ids).exclude(status=AAPStatus.PENDING)
    asked.update(arguments="{}", context=None, agent_reasoning=None, note="", outcome_note="")
    Action.objects.filter(pk__in=ids).update(
        arguments=GONE,
        approved_arguments=None,
        subject="",
        # A loop is told by its item: the same one stays the same, without saying what it was.
        item=Concat(
            Value("erased "),
            Func(Cast(F("item"), CharField()), function="md5", output_field=CharField()),
        ),
        state_reason="",
        reason="",
        on_behalf_of="",
        result=None,
        error=None,
        resume=None,
        message="",
        trace_url="",
    )


def _runs(runs: QuerySet[Run]) -> None:
    ids = list(runs.values_list("pk", flat=True))
    Checkpoint.objects.filter(run__in=ids).update(state=GONE)
    Directive.objects.filter(run__in=ids).update(body=GONE)
    Run.objects.filter(pk__in=ids).update(
        metadata=GONE, output=None, error="", on_behalf_of="", state_reason="", trace_url=""
    )


def _on_behalf_of(redaction: Redaction) -> Q | None:
    """Agents say for whom they act by name or e-mail, with or without `person:`."""
    person = redaction.person
    if person is None:
        return None
    said = [word for word in (person.name, person.email) if word]
    wanted = Q(pk__in=[])
    for word in said:
        wanted |= Q(on_behalf_of__iexact=word) | Q(on_behalf_of__iexact=f"person:{word}")
    return wanted
