"""What is recorded of exports."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from audit.kinds import Kind, declare

declare(
    Kind(
        "record.exported",
        _("{who} exported {count} entries as evidence: {summary}"),
        "scope:dict count:int erased:int size:int fingerprint",
    )
)
