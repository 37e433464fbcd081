from __future__ import annotations

import logging
from pathlib import Path

import pytest

from watchfloor.outbox import Item, Outbox


def observation(n: int, run: str = "r1") -> Item:
    return Item("observation", run, {"id": str(n)})


def ids(items: list[Item]) -> list[object]:
    return [item.body["id"] for item in items]


def test_observations_of_one_run_travel_together_and_settles_alone() -> None:
    outbox = Outbox(10)
    for item in (observation(1), observation(2), Item("settle", "a", {"id": "s"}), observation(3)):
        outbox.add(item)

    batches = [ids(outbox.take()) for _ in range(4)]

    assert batches == [["1", "2"], ["s"], ["3"], []]


def test_observations_of_two_runs_do_not_mix() -> None:
    outbox = Outbox(10)
    outbox.add(observation(1, "r1"))
    outbox.add(observation(2, "r2"))

    assert [ids(outbox.take()), ids(outbox.take())] == [["1"], ["2"]]


def test_what_could_not_be_delivered_comes_again() -> None:
    outbox = Outbox(10)
    outbox.add(observation(1))
    batch = outbox.take()

    outbox.give_back(*batch)

    assert ids(outbox.take()) == ["1"]


def test_the_oldest_observation_is_dropped_first_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = Outbox(2)
    with caplog.at_level(logging.WARNING, "watchfloor"):
        for item in (Item("settle", "a", {"id": "s"}), *map(observation, range(3))):
            outbox.add(item)

    assert outbox.dropped == 2
    assert len(outbox) == 2
    assert ids(outbox.take()) == ["s"]
    assert ids(outbox.take()) == ["2"]
    assert "oldest observations are dropped" in caplog.text


def test_a_killed_process_leaves_its_reports_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "buffer"
    killed = Outbox(10, path)
    for n in range(3):
        killed.add(observation(n))
    killed.done(*killed.take()[:1])
    killed.close()  # the kernel lets go of a killed process's lock just like that
    with path.open("ab") as file:
        file.write(b'{"kind": "settle", "tar')

    heir = Outbox(10, path)

    assert ids(heir.take()) == ["1", "2"]


def test_two_live_processes_do_not_share_a_file_and_the_dead_are_adopted(tmp_path: Path) -> None:
    path = tmp_path / "buffer"
    first, second = Outbox(10, path), Outbox(10, path)
    first.add(observation(1))
    second.add(observation(2))
    second.close()

    third = Outbox(10, tmp_path / "buffer")

    assert ids(third.take()) == ["2"]
    assert ids(first.take()) == ["1"]


def test_the_file_is_empty_once_everything_is_sent(tmp_path: Path) -> None:
    outbox = Outbox(10, tmp_path / "buffer")
    outbox.add(observation(1))

    outbox.done(*outbox.take())

    assert (tmp_path / "buffer").stat().st_size == 0
