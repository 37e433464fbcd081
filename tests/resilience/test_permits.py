"""Permits while the web server and the database are killed: no place is given twice, no rate is exceeded."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from .house import House, wait_for

LIMITS = """
insert into agents_limit (id, resource, count, period, burst, concurrency, lease, changed_by, changed_at)
values (gen_random_uuid(), 'api', 40, '1 s', 3, null, null, 'test', now()),
       (gen_random_uuid(), 'crm', null, null, null, 3, '4 s', 'test', now())
"""


class Workers:
    """Many who ask for slots and for places, whatever happens to the server."""

    def __init__(self, house: House) -> None:
        self.url = f"{house.url}/api/v1/permits"
        key = house.prepared["agents"][0]["key"]
        self.headers = {"authorization": f"Bearer {key}"}
        self.goes_on = True
        self.slots: list[datetime] = []
        self.leases: list[tuple[datetime, datetime]] = []
        self.threads = [
            threading.Thread(target=work, daemon=True)
            for work in [self.use_slots] * 12 + [self.use_places] * 8
        ]
        for thread in self.threads:
            thread.start()

    def use_slots(self) -> None:
        while self.goes_on:
            told = self.ask({"resource": "api", "max_wait_s": 1})
            if told.get("granted"):
                self.slots.append(datetime.fromisoformat(told["starts_at"]))
                time.sleep(told["wait_s"])

    def use_places(self) -> None:
        """Holds a place until its deadline: what was granted counts until then, whoever has died."""
        while self.goes_on:
            told = self.ask({"resource": "crm", "max_wait_s": 8, "lease_s": 1})
            if told.get("granted"):
                begins, ends = (
                    datetime.fromisoformat(told[k]) for k in ("starts_at", "lease_until")
                )
                self.leases.append((begins, ends))

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        with suppress(httpx.TransportError, ValueError):
            told: dict[str, Any] = httpx.post(
                self.url, json=body, headers=self.headers, timeout=12
            ).json()
            return told
        time.sleep(0.1)
        return {}

    def went_on(self, slots: int, leases: int) -> bool:
        """Whether there are more than so many by now, by far."""
        return len(self.slots) > slots + 20 and len(self.leases) > leases + 4

    def end(self) -> None:
        self.goes_on = False
        for thread in self.threads:
            thread.join(30)


def prepare(house: House) -> None:
    with psycopg.connect(house.runtime.addresses["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(LIMITS)
    house.keep_what_is_committed()


@pytest.mark.parametrize("victim", ["web", "database"])
def test_a_kill_gives_nothing_twice(house: House, victim: str) -> None:
    prepare(house)
    workers = Workers(house)
    wait_for(lambda: len(workers.leases) >= 6, "places to be taken")
    for _ in range(2):
        before = len(workers.slots), len(workers.leases)

        if victim == "web":
            house.restart("web")
        else:
            house.crash_database()

        wait_for(partial(workers.went_on, *before), "slots and places to be given again")
    workers.end()

    slots = sorted(workers.slots)
    for n, first in enumerate(slots):
        for count, last in enumerate(slots[n:], 1):
            assert count <= 3 + 40 * (last - first).total_seconds() + 1e-3
    for begins, _ in workers.leases:
        assert sum(start <= begins < end for start, end in workers.leases) <= 3
