"""What a verb says when it cannot do what was asked. Doors translate these, nobody else catches them."""


class Refused(Exception):
    """Base of all refusals. `code` is stable for programs, the text is a sentence for people."""

    code = "refused"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
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
