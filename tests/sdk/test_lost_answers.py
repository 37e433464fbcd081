"""The answer to a proposal or a claim gets lost: nothing has begun, and this process knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Action
from agents.transitions import action as actions
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.sdk.conftest import waiting_hold
from tests.sdk.test_async_against_server import aside as beside
from tests.sdk.wire import Wire
from watchfloor import AsyncClient, Client, OutcomeUnknown, Unreachable

Aside = Callable[..., "Future[Any]"]
Do = Callable[[Any, Callable[..., Any]], Any]


def never(**_: Any) -> str:
    raise AssertionError("this must not run")


def once(run: Any, fn: Callable[..., Any]) -> Any:
    return run.once("ticket-1", "search", fn)


def write(run: Any, fn: Callable[..., Any]) -> Any:
    return run.step("search", fn, kind="write")


def read(run: Any, fn: Callable[..., Any]) -> Any:
    return run.step("search", fn)


def told() -> list[tuple[str, int]]:
    return list(Action.objects.order_by("id").values_list("state", "attempt"))


def lapse() -> None:
    """The lease is over, and the clock came by."""
    Action.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    actions.lose(Action.objects.get())


@pytest.mark.parametrize("do", [once, write, read])
def test_what_failed_closed_is_done_when_the_server_is_back(
    client: Client, wire: Wire, do: Do
) -> None:
    with client.run("filing") as run:
        wire.mute()
        for _ in range(2):
            with pytest.raises(Unreachable):
                do(run, never)
        assert told() == [("executing", 1)]
        wire.mend()

        assert do(run, lambda: "T-1") == "T-1"
    assert told() == [("succeeded", 1)]


async def test_async_code_does_it_too(connect: Callable[..., AsyncClient], wire: Wire) -> None:
    async with connect() as client, client.run("filing") as run:
        wire.mute()
        with pytest.raises(Unreachable):
            await once(run, never)
        wire.mend()

        assert await once(run, lambda: "T-1") == "T-1"
    assert await beside(told) == [("succeeded", 1)]


async def test_a_task_that_stops_waiting_for_the_answer_knows_it_too(
    connect: Callable[..., AsyncClient], wire: Wire
) -> None:
    async with connect(patience=60) as client, client.run("filing") as run:
        wire.mute()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await once(run, never)
        wire.mend()

        assert await once(run, lambda: "T-1") == "T-1"


def test_it_begins_with_a_whole_lease(client: Client, wire: Wire) -> None:
    leases: list[datetime | None] = []
    with client.run("filing") as run:
        wire.mute()
        with pytest.raises(Unreachable):
            once(run, never)
        Action.objects.update(lease_until=timezone.now() + timedelta(seconds=9))
        wire.mend()

        once(run, lambda: leases.append(Action.objects.get().lease_until))
    assert leases[0] is not None
    assert leases[0] > timezone.now() + timedelta(minutes=4)


def test_the_run_may_be_entered_anew_or_be_another(client: Client, wire: Wire) -> None:
    for transaction, keys in (("t-1", ("k", "k")), ("t-2", (None, None))):
        with suppress(Unreachable), client.run("filing", key=keys[0]) as run:
            wire.mute()
            run.once(transaction, "search", never)
        wire.mend()

        with client.run("filing", key=keys[1]) as again:
            assert again.once(transaction, "search", lambda: "T") == "T"

    assert [state for state, _ in told()] == ["succeeded", "failed", "succeeded"]


def test_a_write_whose_lease_ended_meanwhile_did_not_begin_either(
    client: Client, wire: Wire
) -> None:
    with client.run("filing") as run:
        wire.mute()
        with pytest.raises(Unreachable):
            once(run, never)
        lapse()
        wire.mend()

        assert once(run, lambda: "T-1") == "T-1"
    assert told() == [("failed", 1), ("succeeded", 2)]
    assert not Hold.objects.filter(state="open").exists()


def test_a_yes_is_not_lost_with_the_answer_to_its_claim(
    client: Client, wire: Wire, ada: Person, aside: Aside
) -> None:
    with client.run("payer") as run:
        pay: Any = {"arguments": {"amount": 9}, "ask": True}
        asking = aside(run.step, "refund.issue", never, **pay)
        hold = waiting_hold()
        wire.mute("/claim")
        holds.approve(hold, by=ada)
        with pytest.raises(Unreachable):
            asking.result(30)
        assert told() == [("executing", 1)]
        wire.mend()

        assert run.step("refund.issue", lambda amount: amount, **pay) == 9
    assert told() == [("succeeded", 1)]


def test_another_process_is_not_let_in_while_the_claim_lives(
    client: Client, wire: Wire, key: str
) -> None:
    with client.run("filing") as run:
        wire.mute()
        with pytest.raises(Unreachable):
            once(run, never)
        wire.mend()

        with (
            pytest.raises(OutcomeUnknown, match="another process"),
            Client(wire.url, key) as stranger,
            stranger.run("other") as other,
        ):
            other.once("ticket-1", "search", never, wait_for_lease=False)
        assert once(run, lambda: "T-1") == "T-1"


def test_another_process_that_waits_takes_what_is_given_back(
    client: Client, wire: Wire, key: str, aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is first does it, the other hears how it ended."""
    monkeypatch.setattr("watchfloor.flows.sharing.LOOK_AGAIN", 0.001)
    calls: list[int] = []

    def file() -> str:
        calls.append(1)
        return "T-1"

    with client.run("filing") as run:
        wire.mute()
        with pytest.raises(Unreachable):
            once(run, never)
        wire.mend()
        with Client(wire.url, key) as stranger, stranger.run("other") as other:
            waiting = aside(once, other, file)

            assert (once(run, file), waiting.result(30)) == ("T-1", "T-1")
    assert calls == [1]
    assert told() == [("succeeded", 1)]


def test_a_write_that_may_have_begun_stays_unknown(client: Client, wire: Wire) -> None:
    def file() -> None:
        raise ConnectionError("the answer of the desk was lost")

    with client.run("filing") as run:
        wire.mute()
        with pytest.raises(Unreachable):
            once(run, never)
        wire.mend()
        with pytest.raises(OutcomeUnknown):
            once(run, file)

        with pytest.raises(OutcomeUnknown, match="another process"):
            run.once("ticket-1", "search", never, wait_for_lease=False)


def test_what_went_on_without_the_server_has_begun(client: Client, wire: Wire) -> None:
    options: Any = {"kind": "write", "step_id": "s"}
    with client.run("filing") as run:
        wire.mute()
        with pytest.raises(Unreachable):
            run.step("search", never, **options)
        client._core.lost_at = None  # else it is not even asked again
        assert run.step("search", lambda: "T-1", on_unreachable="open", **options) == "T-1"
        wire.mend()

        with pytest.raises(OutcomeUnknown):
            run.step("search", never, **options)


def test_a_write_never_goes_on_without_the_server(client: Client) -> None:
    with client.run("filing") as run:
        with pytest.raises(ValueError, match="always fails closed"):
            run.once("ticket-1", "search", never, on_unreachable="open")  # type: ignore[arg-type]
        assert run.once("ticket-1", "search", lambda: "T-1", on_unreachable="closed") == "T-1"
