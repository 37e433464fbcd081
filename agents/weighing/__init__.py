"""From facts to what is to be written: the part of admission, claim and settlement that both doors share.

No I/O here. The hot door and the ordinary verbs read the same rows, call these, and run the same SQL.
"""

from .claims import LAPSED, NO_ROOM, USED_UP, weigh_claim
from .facts import (
    BUCKETED,
    NO_SUCH_KEY,
    Unauthorized,
    breakers_decoder,
    checked_action,
    checked_run,
    counted_for,
    encode,
    first_of,
)
from .outcomes import Settlement, weigh_settlement
from .proposals import REPLAYED, Seen, Weighed, admission_answer, weigh_proposal

__all__ = [
    "BUCKETED",
    "LAPSED",
    "NO_ROOM",
    "NO_SUCH_KEY",
    "REPLAYED",
    "USED_UP",
    "Seen",
    "Settlement",
    "Unauthorized",
    "Weighed",
    "admission_answer",
    "breakers_decoder",
    "checked_action",
    "checked_run",
    "counted_for",
    "encode",
    "first_of",
    "weigh_claim",
    "weigh_proposal",
    "weigh_settlement",
]
