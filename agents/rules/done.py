"""What an agent did without asking, as plain values: observations and spans alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


class Done(msgspec.Struct, kw_only=True, gc=False):
    """One thing that was done. Texts named `…_json` are JSON already, as they will be stored."""

    call_id: str
    tool: str
    kind: str
    item: str
    digest: bytes
    failed: bool
    started_us: int
    """Microseconds since 1970, as `ended_us`."""
    ended_us: int
    subject: str = ""
    step: str = ""
    attempt: int = 1
    arguments_json: str = "{}"
    result_json: str | None = None
    error_json: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Part of `input_tokens`: what came from the provider's cache."""
    cost_usd: Decimal | None = None
    """As reported. None: nobody said; it is priced from the tokens."""
    cost_source: str = ""
    model: str = ""
    duration_ms: int | None = None
    trace_url: str = ""
    is_step: bool = True
    """Whether it can be part of a circle. What is said to a model grows with every turn: between the same two
    tool calls, over and over, stand inferences of which none is like another."""
    fingerprint: bytes = b""
    """For loops, see `breakers/loops.py`; made only where a breaker looks for circles."""
    malformed: bool = False
    code: str = ""
    """Why people should look twice, e.g. `after_stop`; `why` says it as a sentence."""
    why: str = ""
    also_called: tuple[str, ...] = ()
    """Call ids under which the same action may have been proposed."""
    is_action: str = ""
    """The id of the proposed action that this reports on, as the agent says it."""

    @property
    def started_at(self) -> datetime:
        return moment(self.started_us)

    @property
    def ended_at(self) -> datetime:
        return moment(self.ended_us)

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def is_single(self) -> bool:
        """Nobody said what it worked on, so it cannot have been done before."""
        return self.item == f"span:{self.call_id}"
