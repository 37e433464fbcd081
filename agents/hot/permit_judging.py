"""What is asked for, whether this agent may ask it, and what is said: between the door and the pure rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from audit.errors import Conflict, Invalid, NotFound

from ..rules.gcra import NONE, Rate
from ..rules.limits import LimitSetting
from ..rules.permits import Standing, Verdict, judge
from ..shapes import Id, Lease, Request
from .http import Problem

LONGEST_BOOKING_S = 600
LOOK_AGAIN_S = 4.0
REPEATED_WITHIN = timedelta(minutes=1)
"""How long after its beginning a booking may be asked for again, by who lost the answer."""


class Ask(Request, kw_only=True):
    """`POST /permits`. With an `id` it is safe to repeat, and whoever comes again keeps their turn."""

    resource: Id
    n: Annotated[int, Meta(ge=1, le=10**9)] = 1
    max_wait_s: Annotated[float, Meta(ge=0, le=LONGEST_BOOKING_S)] = 0.0
    lease_s: Lease | None = None
    id: UUID | None = None
    run_id: UUID | None = None


class Renew(Request, kw_only=True):
    """`POST /permits/{id}/renew`."""

    lease_s: Lease | None = None


ask_decoder = msgspec.json.Decoder(Ask)
renew_decoder = msgspec.json.Decoder(Renew)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a limit: how it stood, and what was said."""

    row: Any
    setting: LimitSetting
    verdict: Verdict

    @property
    def waits(self) -> bool:
        return self.verdict.is_full

    @property
    def sleep_s(self) -> float:
        """Until the next lease ends by itself, or it is time to look again."""
        left = (self.row.free_at - self.row.now_at).total_seconds() if self.row.free_at else 60
        return min(LOOK_AGAIN_S, left + 0.001)


def checked(row: Any, asked: Ask) -> Any:
    """Whether this agent may ask for this at all."""
    if row is None:
        raise Problem("unauthorized", "This key is not known, or it was revoked.")
    if asked.run_id is not None and row.run_state is None:
        raise NotFound("This agent has no such run.")
    if row.agent_state == "retired":
        raise Conflict("This agent is retired.", code="retired")
    if row.run_state == "terminated":
        raise Conflict(row.run_reason or "This run was terminated.", code="terminated")
    if row.run_state not in (None, "running", "paused"):
        raise Conflict(f"This run is {row.run_state}.", code="run_finished")
    if "paused" in (row.agent_state, row.run_state):
        reason = row.agent_reason if row.agent_state == "paused" else row.run_reason
        raise Conflict(reason or "It is paused.", code="paused")
    if row.limit_id is None:
        raise Problem(
            "no_such_limit",
            f"There is no limit for “{asked.resource}”, so nothing says how often it may be used. "
            f"A lead, ops or admin of {row.team_name} can set one under Settings, Limits; "
            "an admin of every team one for the whole house.",
        )
    return row


def setting_of(row: Any, resource: str) -> LimitSetting:
    rate = Rate(row.count, row.period, row.burst) if row.count else None
    return LimitSetting(resource, rate, row.concurrency, row.lease)


def verdict_of(row: Any, setting: LimitSetting, asked: Ask, left_s: float) -> Verdict:
    rate = setting.rate
    if rate is not None and asked.n > rate.burst:
        raise Problem(
            "over_burst",
            f"{asked.n:,} at one moment is never given: the burst of “{asked.resource}” is "
            f"{rate.burst:,}. Ask for less at a time.",
        )
    if rate is None and asked.n > 1:
        raise Invalid(f"“{asked.resource}” limits how many at once, not how often: n must be 1.")
    if row.mine is not None:
        mine = (row.mine_agent, row.mine_limit, row.mine_units)
        if mine != (row.agent_id, row.limit_id, asked.n):
            raise Conflict("This id was used for another permit.")
        if row.mine_starts_at is not None:
            return repeated(row)
    standing = Standing(
        rate=rate,
        tat=row.tat,
        now=row.now_at,
        concurrency=row.concurrency,
        lease=row.lease,
        held=row.held,
        ahead=row.ahead,
        free_at=row.free_at,
    )
    lease = timedelta(seconds=asked.lease_s) if asked.lease_s else None
    return judge(standing, asked.n, max_wait=timedelta(seconds=left_s), lease=lease)


def repeated(row: Any) -> Verdict:
    """What was said before, to who lost the answer."""
    ends = row.mine_until if row.mine_is_lease else row.mine_starts_at + REPEATED_WITHIN
    if ends <= row.now_at:
        raise Conflict("This permit is over: ask for another, with a new id.", code="lease_expired")
    wait = max(NONE, row.mine_starts_at - row.now_at)
    until = row.mine_until if row.mine_is_lease else None
    return Verdict(True, wait, starts_at=row.mine_starts_at, lease_until=until)


def told(permit: UUID, look: Look, retry_after: float, *, stays: bool) -> bytes:
    verdict = look.verdict
    leased = verdict.granted and verdict.lease_until is not None
    return msgspec.json.encode(
        {
            "granted": verdict.granted,
            "id": permit,
            "wait_s": verdict.wait.total_seconds(),
            "starts_at": verdict.starts_at,
            "retry_after_s": retry_after,
            "waiting": stays,
            "lease_id": permit if leased else None,
            "lease_until": verdict.lease_until if leased else None,
            "limit": look.setting.as_dict(),
        }
    )
