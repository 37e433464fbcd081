"""Prices are added, never changed; a correction computes anew what was priced since then, batch by batch"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone

from audit.bell import ring
from audit.changes import changed
from audit.record import Recordable, record, signature_of
from people.models import Person, Team

from .. import corrections as sql
from .. import prices
from ..models import Agent, Price, Repricing
from ..models.action import CostSource
from ..models.limit import may_set
from ..rules.prices import PriceBook, PriceRow, PriceSetting, checked
from ..statements import PRICES
from .correcting import Correction, correct
from .rows import every, first

NOT_YOURS = "Your role may not set prices here: a team’s take a lead, ops or admin of it, the house’s an admin of every team."
AT_ONCE = 500
MOST_PREVIEWED = 20_000
NOBODY = UUID(int=0)


@transaction.atomic
def add(team: Team | None, setting: PriceSetting, *, by: Person | Recordable | str) -> Price:
    """A model's price from a moment on, for a team or (None) the house. What it concerns is priced anew.

    The same name and moment as a row that is there corrects it. Raises Invalid, PermissionDenied.
    """
    if isinstance(by, Person) and not may_set(team.pk if team else None, by):
        raise PermissionDenied(NOT_YOURS)
    setting = checked(setting)
    with connection.cursor() as cursor:  # so that numbers grow in the order of commits
        cursor.execute("lock table agents_price in share row exclusive mode")
    valid_from = setting.valid_from or timezone.now()
    before = prices.book().find(
        setting.name.removesuffix("*"), at=valid_from, team=team.pk if team else None
    )
    made = Price.objects.create(
        team=team,
        name=setting.name.strip(),
        input=setting.input,
        output=setting.output,
        cached_input=setting.cached_input,
        cache_write=setting.cache_write,
        withdrawn=setting.withdrawn,
        valid_from=valid_from,
        note=setting.note.strip(),
        by=signature_of(by),
    )
    Repricing.objects.create(price=made)
    was, now = changed(told(before), told(row_of(made)))
    record(
        "price.withdrawn" if made.withdrawn else "price.added",
        actor=by,
        about=made,
        summary=f"{made.name}: {said(row_of(made))}"[:300],
        data={"note": made.note},
        before=was,
        after=now,
    )
    ring("agents")
    return made


@dataclass(frozen=True)
class Preview:
    """What adding a price would correct."""

    actions: int
    difference: Decimal
    is_whole: bool
    """False: only the newest were looked at."""


def preview(team: Team | None, setting: PriceSetting) -> Preview:
    """Looks, and changes nothing."""
    setting = checked(setting)
    since = setting.valid_from or timezone.now()
    row = PriceRow(
        2**62, team.pk if team else None, setting.name.strip(), setting.input, setting.output,
        setting.cached_input, setting.cache_write, setting.withdrawn, since,
    )  # fmt: skip
    known = [PriceRow(*one) for one in every(PRICES)]
    found = every(
        sql.PREVIEW,
        team=row.team,
        most=MOST_PREVIEWED + 1,
        **matching(row.name, since),
    )
    changed = [
        one for one in repriced(found[:MOST_PREVIEWED], PriceBook([*known, row])) if one.more
    ]
    total = sum((one.more for one in changed), Decimal(0))
    return Preview(len(changed), total, len(found) <= MOST_PREVIEWED)


@transaction.atomic
def step(pk: int) -> bool:
    """One batch of one agent's actions. False: there is no more to do, or somebody else is at it. Twice is harmless."""
    waiting = Repricing.objects.filter(pk=pk, finished_at=None)
    work = waiting.select_for_update(of=("self",), skip_locked=True).first()
    if work is None:
        return False
    go_on(work)
    return work.finished_at is None


def go_on(work: Repricing) -> None:
    price = Price.objects.get(pk=work.price_id)
    if work.action is None:
        begin_agent(work, price)
        return
    assert work.agent is not None
    by_name = matching(price.name, price.valid_from)
    found = every(sql.TO_REPRICE, agent=work.agent, after=work.action, most=AT_ONCE, **by_name)
    if not found:
        work.action = None
        work.save(update_fields=["action"])
        return
    Agent.objects.select_for_update(no_key=True).get(pk=work.agent)
    rows = every(sql.AGAIN, actions=[row.id for row in found], **by_name)
    anew = repriced(rows, prices.book())
    correct(anew)
    work.action = found[-1].id
    work.looked_at += len(rows)
    work.changed += sum(bool(one.more) for one in anew)
    work.difference += sum((one.more for one in anew), Decimal(0))
    work.save()
    ring(f"agent.{work.agent}", "agents")


def begin_agent(work: Repricing, price: Price) -> None:
    """The next agent. Whoever settles one of its actions by the old table is waited for; the others know the new one."""
    row = first(sql.NEXT_AGENT, after=work.agent or NOBODY, team=price.team_id)
    if row is None:
        finish(work, price)
        return
    Agent.objects.select_for_update(no_key=True).get(pk=row.id)
    work.agent, work.action = row.id, NOBODY
    work.save(update_fields=["agent", "action"])


def finish(work: Repricing, price: Price) -> None:
    work.finished_at = timezone.now()
    work.save(update_fields=["finished_at"])
    record(
        "price.repriced",
        actor="clock",
        about=price,
        summary=f"{price.name}: {anew(work)}",
        data={
            "looked_at": work.looked_at,
            "changed": work.changed,
            "difference_usd": str(work.difference),
        },
    )
    ring("agents")


def repriced(rows: Iterable[Any], book: PriceBook) -> list[Correction]:
    """What each costs by this table; without a price there, nothing."""
    found = []
    for row in rows:
        cost = book.price(
            row.model,
            row.input_tokens,
            row.output_tokens,
            row.cached_tokens,
            cache_write=row.cache_write_tokens,
            at=row.settled_at,
            team=row.team_id,
        )
        source = "" if cost is None else CostSource.PRICED
        found.append(Correction(row, cost or Decimal(0), source))
    return found


def matching(name: str, since: datetime) -> dict[str, Any]:
    name = name.lower()
    return {"name": name.removesuffix("*"), "begins": name.endswith("*"), "since": since}


def row_of(price: Price) -> PriceRow:
    return PriceRow(
        price.pk, price.team_id, price.name, price.input, price.output,
        price.cached_input, price.cache_write, price.withdrawn, price.valid_from,
    )  # fmt: skip


def said(row: PriceRow) -> str:
    return (
        "no price" if row.withdrawn else f"${row.input:f} in, ${row.output:f} out, a million tokens"
    )


def told(row: PriceRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    kept = ("name", "input", "output", "cached_input", "cache_write", "withdrawn", "valid_from")
    return {name: getattr(row, name) for name in kept}


def anew(work: Repricing) -> str:
    """`3 actions priced anew, −$297.00`"""
    many = f"{work.changed:,} action{'' if work.changed == 1 else 's'}"
    return f"{many} priced anew, {signed(work.difference)}"


def signed(difference: Decimal) -> str:
    return f"{'−' if difference < 0 else '+'}${abs(difference):,.2f}"
