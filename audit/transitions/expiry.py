"""What is older than it must be kept goes away, a month at a time: the tables are made for it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import batched

from django.db import OperationalError, connection, transaction

from audit.record import record
from audit.signals import HOUSE

from .erasure import WRITTEN
from .keeping import complete

logger = logging.getLogger(__name__)

AHEAD = 3
"""Months for which there is room already."""
AT_ONCE = 2_000
MOST = 100_000
"""Payloads that go one by one in a turn; the next turn goes on."""

EXPIRE = "select audit_expire(%s)"
MONTHS = """
select distinct date_trunc('month', p.at at time zone 'UTC') as month
  from (select to_date(substr(c.relname, 15), 'YYYY_MM')::timestamp at time zone 'UTC' as at
          from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'audit_payload'::regclass and c.relname <> 'audit_payload_default'
        union all (select p.at from audit_payload p join audit_line l on l.id = p.id
                    where p.tableoid = 'audit_payload_default'::regclass and not audit_tells_what_went(l.kind)
                    order by p.at limit 1)
       ) p
 where date_trunc('month', p.at at time zone 'UTC')
       <= date_trunc('month', %(now)s::timestamptz at time zone 'UTC')
          - make_interval(months => 1 + (select min(months) from audit_retention where months > 0))
 order by 1
"""
WHOLE = """
select exists (select from pg_class where relname = %(part)s and relispartition)
   and exists (select from audit_payload where at >= %(low)s and at < %(high)s)
   and not exists (
       select from audit_payload p join audit_line l on l.id = p.id
        where p.at >= %(low)s and p.at < %(high)s
          and (not audit_is_expired(l.at, l.team)
               or exists (select from audit_held h where h.id = l.id)
               or exists (select from audit_pending q where q.id = l.id)))
"""
GOING = """
select l.id from audit_payload p join audit_line l on l.id = p.id and l.at = p.at
 where p.at >= %(low)s and p.at < %(high)s and audit_is_expired(l.at, l.team)
   and not audit_tells_what_went(l.kind)
   and not exists (select from audit_held h where h.id = l.id)
   and not exists (select from audit_pending q where q.id = l.id)
 order by l.id limit %(most)s
"""
COUNT = """
select count(*) from audit_payload p join audit_line l on l.id = p.id and l.at = p.at
 where p.at >= %s and p.at < %s and not audit_tells_what_went(l.kind)
"""


def take_turn(now: datetime) -> None:
    """All of it. What had to wait too long for a lock is done the next time."""
    try:
        make_months()
        expire(now)
    except OperationalError as problem:
        logger.warning("Months of payloads could not be changed: %s", problem)


@transaction.atomic
def make_months(ahead: int = AHEAD) -> int:
    """Tables for the months to come; how many were made."""
    with connection.cursor() as cursor:
        cursor.execute("select audit_make_months(%s)", [ahead])
        return int(cursor.fetchone()[0])


def expire(now: datetime) -> int:
    """Let go of all that is expired and not kept by a legal hold; how many that were. Twice is harmless."""
    complete()
    gone = 0
    with connection.cursor() as cursor:
        cursor.execute(MONTHS, {"now": now})
        months = [month for (month,) in cursor.fetchall()]
    for month in months:
        low, high, part = _bounds(month)
        with connection.cursor() as cursor:
            cursor.execute(WHOLE, {"low": low, "high": high, "part": part})
            (is_whole,) = cursor.fetchone()
        if is_whole:
            gone += drop_month(low)
        else:
            gone += _one_by_one(low, high)
    return gone


@transaction.atomic
def drop_month(month: datetime) -> int:
    """All that entries of a month told: its table goes. The database looks again whether it may."""
    low, high, _part = _bounds(month)
    record(
        "record.expired",
        actor="clock",
        about=HOUSE,
        data={"month": f"{low:%Y-%m}", "count": _count(low, high)},
    )
    return _let_go()


@transaction.atomic
def drop_rows(month: datetime, ids: list[int]) -> int:
    """What these entries of a month told, because others of that month stay."""
    record(
        "record.expired",
        actor="clock",
        about=HOUSE,
        data={"month": f"{month:%Y-%m}", "ids": ids, "count": len(ids)},
    )
    return _let_go()


def _one_by_one(low: datetime, high: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(GOING, {"low": low, "high": high, "most": MOST})
        going = [pk for (pk,) in cursor.fetchall()]
    return sum(drop_rows(low, list(some)) for some in batched(going, AT_ONCE))


def _let_go() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN)
        (entry,) = cursor.fetchone()
        cursor.execute(EXPIRE, [entry])
        return int(cursor.fetchone()[0])


def _count(low: datetime, high: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [low, high])
        return int(cursor.fetchone()[0])


def _bounds(month: datetime) -> tuple[datetime, datetime, str]:
    low = month.replace(tzinfo=UTC)
    year, number = divmod(low.month, 12)
    high = low.replace(year=low.year + year, month=number + 1)
    return low, high, f"audit_payload_{low:%Y_%m}"
