"""An outcome that stops its agent: the door keeps the agent it has locked, and writes the stop itself"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from audit.bell import hub

from ..transitions import halting
from ..transitions.halting import Halt, Halted
from .pipeline import Pipeline


async def halted(conn: Pipeline, halt: Halt) -> Halted | None:
    """Send what the stop asks and what it writes. None: nothing of it was written, the ordinary verb does it."""
    asked = [await conn.execute(*question) for question in halting.questions(halt)]
    last: Any = await asked[-1].fetchone()  # and with it all the others, in one trip
    rows = [await answer.fetchone() for answer in asked[:-1]]
    found = halting.halted(halt, [*rows, last])
    if found is not None:
        for statement in found.statements:
            await conn.execute(*statement)
    return found


def tell(found: Halted, row: Any, action: UUID) -> None:
    """After the commit: first whoever must stop, then whoever watches, then the workers."""
    hub.ring_now(*dict.fromkeys([*found.topics, f"run.{row.run_id}", f"hold.{action}"]))
    if found.afterwards is not None:
        asyncio.get_running_loop().run_in_executor(None, found.afterwards)
