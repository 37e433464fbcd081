"""Breakers as people write and read them."""

from __future__ import annotations

from typing import Any

import pytest

from agents.rules.breaker_settings import parse_breakers
from agents.rules.policy.difference import difference
from agents.rules.policy.yaml import dump_one, load_one
from audit.errors import Invalid

READ: list[tuple[dict[str, Any], str]] = [
    ({"when": "repeats", "limit": 5, "within": "1m"},
     "Pauses the agent when one item is worked on more than 5 times within 1 minute."),
    ({"when": "loop", "limit": 5, "within": "4m", "pause": "run"},
     "Pauses the run when it goes through the same one to four steps 5 times in a row within 4 minutes."),
    ({"when": "errors", "limit": 10, "within": "5m"}, "Pauses the agent at 10 failures within 5 minutes."),
    ({"when": "failure_rate", "limit": "50%", "within": "10m", "minimum": 20},
     "Pauses the agent when more than 50 % of at least 20 actions fail within 10 minutes."),
    ({"when": "slow", "limit": 3, "within": "10m", "threshold": "2m"},
     "Pauses the agent at 3 calls of more than 120 s within 10 minutes."),
    ({"when": "spend", "limit": 25, "within": "1h", "state": "shadow"},
     "In shadow: would pause the agent when more than $25.00 is spent or reserved within 1 hour."),
    ({"when": "spend", "unit": "tokens", "limit": 200000, "within": "run", "pause": "run"},
     "Pauses the run when more than 200,000 tokens are spent or reserved by the whole run."),
    ({"when": "unusual", "limit": 1, "within": "1d", "minimum": 100, "threshold": "2%"},
     "Pauses the agent at 1 use of a tool that is not allowed, new to it or under 2 % of what it does "
     "within 1 day, once it has done 100 actions."),
    ({"when": "drop", "limit": "20%", "within": "1h", "minimum": 50},
     "Pauses the agent when 20 percentage points fewer of at least 50 actions succeed within 1 hour "
     "than in the week before."),
    ({"when": "malformed", "limit": 5}, "Pauses the agent at 5 outputs in a row that cannot be read."),
    ({"when": "often", "limit": 2, "within": "1h"}, "Pauses the agent when more than 2 runs start within 1 hour."),
    ({"when": "rarely", "limit": 1, "within": "1d", "state": "disabled"},
     "Switched off: would pause the agent when fewer than 1 run start within 1 day."),
    ({"when": "silence", "within": "15m", "pause": "run"},
     "Pauses the run when it gives no sign of life for 15 minutes."),
]  # fmt: skip


@pytest.mark.parametrize(("written", "sentence"), READ, ids=[s for _, s in READ])
def test_a_breaker_reads_as_a_sentence_and_stays_as_it_is(
    written: dict[str, Any], sentence: str
) -> None:
    [found] = parse_breakers([written], of_agent=True)

    assert str(found) == sentence
    assert parse_breakers([found.as_dict()], of_agent=True) == (found,)
    document = {"tools": ["*"], "rules": [], "breakers": [found.as_dict()]}
    assert load_one(dump_one(document), of_agent=True) == document


REFUSED: list[tuple[Any, str]] = [
    ({"when": "repeat", "limit": 5, "within": "1m"}, "breakers: Breaker 1: when: It must be one of"),
    ({"when": "repeat", "limit": 5, "within": "1m"}, "Did you mean “repeats”?"),
    ({"limit": 5}, "breakers: Breaker 1: when: It must be one of"),
    ({"when": "repeats", "within": "1m"}, "breakers: Breaker 1 (repeats): It does not say its limit."),
    ({"when": "repeats", "limit": 5}, "It does not say within which time"),
    ({"when": "repeats", "limit": 2.5, "within": "1m"}, "It counts, so it must be a whole number."),
    ({"when": "repeats", "limit": -1, "within": "1m"}, "A number above zero is needed"),
    ({"when": "repeats", "limit": 5, "within": "5s"}, "within: It can be from 10s to 31d."),
    ({"when": "repeats", "limit": 5, "within": "run"}, "Only “when: spend” with “pause: run”"),
    ({"when": "repeats", "limit": 5, "within": "1m", "pause": "team"}, "One agent’s breaker pauses the agent"),
    ({"when": "repeats", "limit": 5, "within": "1m", "unit": "usd"}, "unit goes only with “when: spend”."),
    ({"when": "repeats", "limit": 5, "within": "1m", "mininum": 5}, "Did you mean “minimum”?"),
    ({"when": "errors", "limit": 5, "within": "1m", "minimum": 5}, "minimum goes only with"),
    ({"when": "errors", "limit": 5, "within": "1m", "threshold": 5}, "It goes only with slow (10s) and unusual"),
    ({"when": "failure_rate", "limit": "150%", "within": "1m"}, "A share is 100% at most."),
    ({"when": "silence", "limit": 5, "within": "5m"}, "Silence has none"),
    ({"when": "often", "limit": 5, "within": "5m", "pause": "run"}, "it cannot watch only one"),
    ({"when": "errors", "limit": 5, "within": "5m", "state": "open"}, "state: It must be one of shadow, disabled"),
    ({"when": "errors", "limit": 5, "within": "5m", "probes": 0}, "probes: A whole number from 1 to 1,000"),
    ("repeats", "It must be written as {when: repeats"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "sentence"), REFUSED, ids=[s for _, s in REFUSED])
def test_what_cannot_be_is_refused_in_a_sentence_that_names_the_place(
    written: Any, sentence: str
) -> None:
    with pytest.raises(Invalid) as refused:
        parse_breakers([written], of_agent=True)

    assert sentence in refused.value.detail


def test_two_alike_are_one_too_many() -> None:
    errors = {"when": "errors", "limit": 5, "within": "5m"}

    with pytest.raises(Invalid, match="“errors in 5m, agent” stands there twice"):
        parse_breakers([errors, errors | {"limit": 6}], of_agent=True)
    with pytest.raises(Invalid, match="pauses all of its agents together"):
        parse_breakers([errors | {"pause": "agent"}], of_agent=False)


def agents(*breakers: dict[str, Any]) -> dict[str, Any]:
    return {"tools": ["*"], "rules": [], "breakers": list(breakers)}


REPEATS = {"when": "repeats", "limit": 5, "within": "1m", "pause": "agent"}
ERRORS = {"when": "errors", "limit": 10, "within": "5m", "pause": "agent"}


def test_the_difference_is_told_setting_by_setting() -> None:
    after = agents(REPEATS | {"limit": 7, "within": "2m"}, {"when": "malformed", "limit": 3})

    lines = list(difference(agents(REPEATS, ERRORS), after).lines())

    assert lines == [
        "~ breakers: repeats in 2m, agent: Pauses the agent when one item is worked on more than "
        "7 times within 2 minutes.",
        "    limit: 5 → 7",
        "    within: 1m → 2m",
        "+ breakers: malformed in 1h, agent: Pauses the agent at 3 outputs in a row that cannot be read.",
        "- breakers: errors in 5m, agent: Pauses the agent at 10 failures within 5 minutes.",
    ]


def test_a_section_that_is_left_out_is_no_removal() -> None:
    changes = difference(agents(REPEATS), {"tools": ["*"], "rules": []})

    assert [change.kind for change in changes.settings] == ["left"]
    assert list(changes.lines()) == [
        "· breakers: all: no longer in this document; what is set stays as it is."
    ]


@pytest.mark.parametrize("section", ["limits", "alerts"])
def test_limits_and_alerts_belong_to_teams(section: str) -> None:
    with pytest.raises(Invalid, match=f"{section} belongs to the policy of a team"):
        load_one(f"tools: []\n{section}: []", of_agent=True)
