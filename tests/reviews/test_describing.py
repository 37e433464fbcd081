"""What the outside is told of a hold."""

from __future__ import annotations

import pytest

from audit import sending
from audit.models import Delivery, Endpoint
from audit.record import record
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from reviews.transitions.opening import hand_over
from tests.audit.receiver import Receiver
from tests.cast import Door

pytestmark = pytest.mark.usefixtures("hook")


def told(hook: Endpoint, receiver: Receiver) -> dict[str, dict[str, object]]:
    sending.send_due()
    return {message["type"]: message["data"] for message in receiver.verified(hook.signing_secret)}


def test_an_approval_is_told_with_what_is_at_stake_and_where_to_answer(
    door: Door,
    hook: Endpoint,
    receiver: Receiver,
) -> None:
    proposed = door.propose(
        "1", tool="refund.issue", arguments={"amount": 80}, amount="80.50", currency="USD"
    )
    hold = Hold.objects.get(pk=proposed.json()["action"]["id"])

    data = told(hook, receiver)["hold.opened"]

    view = f"http://127.0.0.1:8000/holds/{hold.pk}/"
    assert data["links"] == {
        "record": f"http://127.0.0.1:8000/record/{data['entry']}/",
        "view": view,
        "approve": f"{view}approve/",
        "reject": f"{view}reject/",
    }
    seen = data["hold"]
    assert isinstance(seen, dict)
    assert seen["title"] == hold.title
    assert (seen["amount"], seen["currency"], seen["tool"]) == ("80.5", "USD", "refund.issue")
    assert (seen["state"], seen["queue"], seen["agent"]) == ("open", hold.queue.name, "scout")
    assert str(seen["expires_at"]).endswith("Z")


def test_a_decided_hold_invites_nobody(
    door: Door,
    ada: Person,
    hook: Endpoint,
    receiver: Receiver,
) -> None:
    proposed = door.propose("1", tool="refund.issue", arguments={"amount": 80})
    holds.approve(Hold.objects.get(pk=proposed.json()["action"]["id"]), by=ada)

    data = told(hook, receiver)["hold.approved"]

    assert (data["actor"], data["actor_name"]) == (ada.record_name, "ada")
    assert set(data["links"]) == {"record", "view"}  # type: ignore[call-overload]
    assert data["hold"]["decision"] == "approved"  # type: ignore[index]


def test_words_of_an_agent_stay_words(
    door: Door,
    hook: Endpoint,
    receiver: Receiver,
) -> None:
    hostile = '<script>alert("1")</script>\u202e{{7*7}}'
    hand_over(door.run, key="k", title=hostile, queue="odd", payload={})

    data = told(hook, receiver)["hold.opened"]

    assert data["hold"]["title"] == hostile  # type: ignore[index]
    assert set(data["links"]) == {"record", "view"}  # type: ignore[call-overload]


class Gone:
    """What an entry is about, when it is no longer there."""

    record_name = "reviews.hold:00000000-0000-7000-8000-000000000000"

    def __init__(self, team: str) -> None:
        self.record_scope = {"team": team}


def test_a_hold_that_is_gone_is_told_by_its_entry_alone(hook: Endpoint) -> None:
    record("hold.expired", actor="clock", about=Gone(hook.team))

    sending.send_due()

    delivery = Delivery.objects.get(type="hold.expired")
    assert delivery.state == "delivered"
    assert '"hold":' not in delivery.body
