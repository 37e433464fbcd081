"""What is recorded of coming in and going out, of what was refused, and of how the house is set up."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from audit.kinds import Kind, declare

CHANGES = "before:dict? after:dict?"
REFUSED = "code reason asked"

declare(
    Kind("person.signed_in", _("{who} signed in"), "how"),
    Kind("person.signed_out", _("{who} signed out")),
    Kind("person.confirmed", _("{who} showed once more who they are")),
    Kind("person.password_changed", _("{who} chose a password"), "how"),
    Kind(
        "sign_in.refused", _("Somebody tried to sign in as {name} and was refused"), "name reason"
    ),
    Kind("confirmation.refused", _("{who} could not show who they are"), "reason"),
    Kind("link.refused", _("A link that is over was opened"), "reason"),
    Kind(
        "token.refused", _("A call with a token was refused: {reason}"), "prefix reason code asked"
    ),
    Kind("attempt.refused", _("{who} was refused: {reason}"), REFUSED),
    Kind(
        "settings.changed",
        _("The server was started with other settings"),
        f"{CHANGES} fingerprint settings:dict",
    ),
)
