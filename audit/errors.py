"""What a verb says when it cannot do what was asked. Doors translate these, nobody else catches them."""


class Refused(Exception):
    """Base of all refusals. `code` is stable for programs, the text is a sentence for people.

    `extra` are further members of the problem details (`current_version`).
    """

    code = "refused"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: dict[str, object] = {}
        if code:
            self.code = code


class Conflict(Refused):
    """Somebody or something was first, or the state no longer fits."""

    code = "conflict"


class NotFound(Refused):
    """There is no such thing that this key or person may see."""

    code = "not_found"


class Invalid(Refused):
    """The input cannot be meant; nothing was changed."""

    code = "invalid"
