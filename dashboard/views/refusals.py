"""What a person reads when a verb refuses: one sentence, with the status that says whose turn it is."""

from __future__ import annotations

from types import TracebackType

from django.core.exceptions import PermissionDenied

from audit.errors import Conflict, Invalid, NotFound, Refused
from audit.record import Recordable
from dashboard import attempts
from people import step_up

NOT_YOURS = "You may look at this, but not decide it: that takes a lead, ops or admin of its team."
STATUSES: dict[type[Refused], int] = {Conflict: 409, Invalid: 422, NotFound: 404}
FORBIDDEN = {step_up.CODE}


class attempt:  # read aloud: `with attempt() as outcome`
    """Run a verb inside; a refusal becomes a sentence. `problem` is empty when it did what was asked.

    `code` tells programs, and pages that know a way out of it (`step_up`), what it was. `fields` are
    sentences about what was typed, by the dotted path of the value.
    """

    def __init__(self, about: Recordable | None = None) -> None:
        self.about = about
        """What the verb is tried on, where the address does not say it: for the record, should it refuse."""
        self.problem = ""
        self.code = ""
        self.status = 200
        self.fields: dict[str, str] = {}

    @property
    def succeeded(self) -> bool:
        return not self.problem

    def __enter__(self) -> attempt:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        refusal: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if refusal is not None:
            attempts.note(refusal, self.about)
        match refusal:
            case PermissionDenied():
                self.problem, self.status = str(refusal) or NOT_YOURS, 403
            case Refused():
                self.problem, self.code = refusal.detail, refusal.code
                self.status = status_of(refusal)
                fields = refusal.extra.get("fields")
                self.fields = dict(fields) if isinstance(fields, dict) else {}
            case _:
                return False
        return True


def status_of(refusal: Refused) -> int:
    if refusal.code in FORBIDDEN:
        return 403
    return next((s for k, s in STATUSES.items() if isinstance(refusal, k)), 400)
