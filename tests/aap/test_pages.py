"""What came over the protocol stands on the same pages as everything else."""

from __future__ import annotations

from agentapprovalprotocol import Client
from django.test import Client as Browser

from agents.models import Action, Agent, Run
from agents.transitions import agent as agents
from people.models import Person
from reviews.transitions import hold as holds

from .conftest import REFUND, hold_of, submission

HOSTILE = "<script>alert(1)</script>\u202e"


def test_every_page_that_shows_it_opens(client: Client, scout: Agent, ada: Person) -> None:
    big = {"amount": 2**70, HOSTILE: 1.10}
    waiting = client.create(
        {**REFUND, "arguments": big, "agent_reasoning": HOSTILE, "context": {HOSTILE: 1}}, "1"
    )
    decided = client.create(REFUND, "2")
    holds.edit(hold_of(decided.id), by=ada, arguments={"amount": 60})
    client.create(submission(tool=HOSTILE), "3")
    agents.stop(scout, by=ada, reason="Look.")
    client.create(submission(), "4")
    browser = Browser()
    browser.force_login(ada)

    run = Run.objects.get()
    action = Action.objects.order_by("id")[0]
    pages = [
        "/",
        "/inbox/",
        "/record/",
        hold_of(waiting.id).get_absolute_url(),
        hold_of(decided.id).get_absolute_url(),
        scout.get_absolute_url(),
        run.get_absolute_url(),
        f"/runs/{run.pk}/actions/{action.pk}/",
    ]

    for page in pages:
        told = browser.get(page)
        assert told.status_code == 200, page
        assert b"<script>alert" not in told.content, page
    shown = browser.get(hold_of(waiting.id).get_absolute_url()).content.decode()
    assert str(2**70) in shown
