"""An approval says how it stands once it was used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from people.models import Person
from reviews.transitions import hold as holds
from tests.sdk.conftest import waiting_hold
from tests.sdk.test_async_against_server import aside
from tests.sdk.wire import Wire
from watchfloor import AsyncClient, Client


def fails(amount: int) -> None:
    raise ValueError("no such order")


def test_an_approval_that_was_used_says_how_it_ended(client: Client, ada: Person) -> None:
    with client.run("payer") as run:
        paid = run.approval("refund.issue", {"amount": 250})
        holds.approve(waiting_hold(), by=ada)
        run.perform(paid, lambda amount: f"paid {amount}")
        failed = run.approval("refund.issue", {"amount": 90})
        holds.approve(waiting_hold(), by=ada)
        with pytest.raises(ValueError, match="no such order"):
            run.perform(failed, fails)
        by_hand = run.approval("refund.issue", {"amount": 70})
        holds.approve(waiting_hold(), by=ada)
        with by_hand:
            by_hand.result = "paid 70"

    assert (paid.state, paid.action.result) == ("succeeded", "paid 250")
    assert failed.state == "failed"
    assert (by_hand.state, by_hand.action.result) == ("succeeded", "paid 70")


async def test_an_async_one_does_too(connect: Callable[..., AsyncClient], ada: Person) -> None:
    async with connect() as client, client.run("payer") as run:
        paid = await run.approval("refund.issue", {"amount": 250})
        await aside(holds.approve, await aside(waiting_hold), by=ada)
        await run.perform(paid, lambda amount: f"paid {amount}")
        failed = await run.approval("refund.issue", {"amount": 90})
        await aside(holds.approve, await aside(waiting_hold), by=ada)
        with pytest.raises(ValueError, match="no such order"):
            await run.perform(failed, fails)

    assert (paid.state, failed.state) == ("succeeded", "failed")


def test_what_the_server_was_not_told_yet_is_as_last_heard_of(
    client: Client, wire: Wire, ada: Person
) -> None:
    with client.run("payer") as run:
        paid = run.approval("refund.issue", {"amount": 250})
        holds.approve(waiting_hold(), by=ada)
        run.perform(paid, lambda amount: wire.cut())
        before = paid.state
        wire.mend()
        assert client.flush()

    assert (before, paid.refresh().state) == ("executing", "succeeded")
