"""Group commit: who comes while others are under way shares the next transaction, and nobody pays for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agents.hot.group import AT_ONCE, Group


class Recorder:
    """Answers with ten times the number; keeps every group until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = asyncio.Event()
        self.refuse: dict[int, Exception] = {}
        self.broken: Exception | None = None

    async def __call__(self, several: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(several))
        await self.go.wait()
        if self.broken is not None:
            raise self.broken
        return [self.refuse.get(one, one * 10) for one in several]


async def until_under_way(recorder: Recorder, groups: int) -> None:
    async with asyncio.timeout(10):
        while len(recorder.groups) < groups:  # noqa: ASYNC110 – as many turns of the loop as it takes
            await asyncio.sleep(0)


def test_who_comes_to_an_idle_door_goes_at_once_and_the_next_share() -> None:
    async def story() -> None:
        recorder = Recorder()
        group = Group(recorder)
        asking = []
        for n in range(AT_ONCE):
            asking.append(asyncio.ensure_future(group.ask(n, of=n)))
            await until_under_way(recorder, n + 1)
        later = range(AT_ONCE, AT_ONCE + 5)
        asking += [asyncio.ensure_future(group.ask(n, of=n)) for n in later]
        recorder.go.set()

        assert await asyncio.gather(*asking) == [n * 10 for n in range(AT_ONCE + 5)]
        assert recorder.groups == [*([n] for n in range(AT_ONCE)), list(later)]

    asyncio.run(story())


def test_one_owner_s_requests_keep_their_order_and_never_travel_together() -> None:
    async def story() -> None:
        recorder = Recorder()
        recorder.go.set()
        group = Group(recorder)

        asked = [group.ask(n, of="ann" if n < 3 else n) for n in range(5)]
        assert await asyncio.gather(*asked) == [0, 10, 20, 30, 40]

        assert recorder.groups[0] == [0, 3, 4]
        assert recorder.groups[1:] == [[1], [2]]

    asyncio.run(story())


def test_an_answer_that_is_an_exception_is_raised_for_that_one_alone() -> None:
    async def story() -> None:
        recorder = Recorder()
        recorder.go.set()
        recorder.refuse = {1: KeyError("its own")}
        group = Group(recorder)

        answers = await asyncio.gather(
            *(group.ask(n, of=n) for n in range(3)), return_exceptions=True
        )

        assert [answers[0], answers[2]] == [0, 20]
        assert isinstance(answers[1], KeyError)

    asyncio.run(story())


def test_what_breaks_a_transaction_is_told_to_all_in_it_and_the_next_goes_on() -> None:
    async def story() -> None:
        recorder = Recorder()
        recorder.go.set()
        recorder.broken = OSError("gone")
        group = Group(recorder)

        answers = await asyncio.gather(
            *(group.ask(n, of=n) for n in range(3)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [OSError] * 3

        recorder.broken = None
        assert await group.ask(7, of=7) == 70

    asyncio.run(story())


def test_who_gives_up_while_waiting_is_left_out() -> None:
    async def story() -> None:
        recorder = Recorder()
        group = Group(recorder)
        first = [asyncio.ensure_future(group.ask(n, of=n)) for n in range(AT_ONCE)]
        await until_under_way(recorder, 1)
        blocked = asyncio.ensure_future(group.ask(0, of=0))  # its owner is under way
        waiting = asyncio.ensure_future(group.ask(9, of=0))
        await asyncio.sleep(0)
        waiting.cancel()
        recorder.go.set()

        await asyncio.gather(*first)
        assert await blocked == 0
        assert all(9 not in group for group in recorder.groups)

    asyncio.run(story())
