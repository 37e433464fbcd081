"""What is recorded when payloads go, when they must stay, and when somebody outside knows better than we do."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from .kinds import Kind, declare

CHANGES = "before:dict? after:dict?"

declare(
    Kind(
        "record.erased",
        _("{who} erased what {count} entry told: {reason}"),
        "ids:list count:int scope reason basis copies:dict",
        plural=_("{who} erased what {count} entries told: {reason}"),
        by="count",
    ),
    Kind(
        "record.expired",
        _("What {count} entry of {month} told is older than it is kept: it is gone"),
        "month ids:list count:int",
        plural=_("What {count} entries of {month} told is older than it is kept: it is gone"),
        by="count",
    ),
    Kind("retention.set", _("{who} said how long the record is kept: {summary}"), CHANGES),
    Kind("retention.removed", _("{who} let the house's rule say how long: {summary}"), CHANGES),
    Kind(
        "legal_hold.placed",
        _("{who} keeps for the law: {summary}"),
        "scope subject reason names:list",
    ),
    Kind("legal_hold.ended", _("{who} no longer keeps for the law: {summary}"), "reason"),
    Kind(
        "anchor.failed",
        _("Checkpoints do not reach {where}: {summary}"),
        "kind where size:int",
        public=True,
    ),
    Kind(
        "anchor.recovered",
        _("Checkpoints reach {where} again"),
        "kind where size:int",
        public=True,
    ),
    Kind("log.halted", _("The log stands still: {summary}"), "size:int", public=True),
    Kind(
        "log.continued",
        _("{who} lets the log go on, although it does not continue what was kept: {reason}"),
        "reason size:int not_continued:list before:dict?",
        public=True,
    ),
    # Never an entry: one tells of all before it, and would make the next one necessary.
    Kind("checkpoint.published", _("A checkpoint of {size} entries"), "size:int root", public=True),
)
