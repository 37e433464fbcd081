"""Numbers survive to the last digit: as they were sent, they come back, are compared and are bound."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from agentapprovalprotocol import Call, Client, Gate
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Action
from agents.models.aap import AAPRequest
from agents.rules import exact
from people.models import Person
from reviews.transitions import hold as holds

from .conftest import hold_of

NUMBERS = (
    "1",
    "1.0",
    "1e2",
    "1E+2",
    "-0",
    "-0.0",
    "0.1",
    "1.10",
    "9007199254740991",
    "9007199254740993",
    "-123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    "3.141592653589793238462643383279502884197",
    "1e22",
    "1e-400",
    "1e400",
    "5e-324",
)


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_comes_back_as_it_was_sent(wire: httpx.Client, text: str) -> None:
    sent = f'{{"n": {text}, "list":[{text} ,"{text}"], "deep":{{"n":{text}}}}}'
    body = f'{{"tool":"search","arguments":{sent},"timeout":"5m","context":{sent}}}'

    made = wire.post("/v1/requests", content=body, headers={"Idempotency-Key": "k"})
    read = wire.get(f"/v1/requests/{made.json()['id']}")

    assert (made.status_code, made.json()["status"]) == (201, "approved"), made.text
    for told in (made, read):
        assert f'"arguments":{sent}' in told.text
        assert f'"context":{sent}' in told.text
    taken = wire.post(f"/v1/requests/{made.json()['id']}/consume", headers={"Idempotency-Key": "c"})
    assert taken.status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": 2**53 + 1},
        {"n": 10**40, "m": -(2**70)},
        {"n": 0.1, "m": 1e300, "flag": True, "one": 1, "text": "1"},
        {"n": Decimal("12.50")},
    ],
)
def test_the_gate_finds_what_it_sent(client: Client, arguments: dict[str, Any]) -> None:
    verdict = Gate(client).check(Call(key="1", tool="search", arguments=arguments))

    assert verdict, verdict


def test_a_number_nothing_binds_exactly_is_judged_by_its_digits(
    client: Client, ada: Person
) -> None:
    big = 12345678901234567890
    request = client.create(
        {"tool": "refund.issue", "arguments": {"amount": big, "to": 7}, "timeout": "5m"}, "1"
    )

    assert request.status == "pending"
    assert Action.objects.get().arguments == {"amount": str(big), "to": 7}
    holds.approve(hold_of(request.id), by=ada)
    assert client.consume(request.id, "a").arguments == {"amount": big, "to": 7}


@pytest.mark.parametrize("other", ['{"n":100000000000000000001}', '{"n":"100000000000000000000"}'])
def test_what_was_kept_cannot_be_changed_under_an_approval(
    client: Client, wire: httpx.Client, other: str
) -> None:
    request = client.create({"tool": "search", "arguments": {"n": 10**20}, "timeout": "5m"}, "1")
    AAPRequest.objects.update(arguments=other)

    told = wire.post(f"/v1/requests/{request.id}/consume", headers={"Idempotency-Key": "a"})

    assert (told.status_code, told.json()["error"]["code"]) == (409, "not_approved")


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.0"), ("1", "1e0"), ("100", "1e2"), ("0.10", "1e-1"), ("-0", "0"), ("10e-1", "1")],
)
def test_equal_numbers_have_one_form(one: str, other: str) -> None:
    assert exact.Number(one).form == exact.Number(other).form


@pytest.mark.parametrize(
    ("one", "other"), [("1", '"1"'), ("1", "true"), ("0", "null"), ("[]", "{}")]
)
def test_different_kinds_have_different_forms(one: str, other: str) -> None:
    assert exact.form(exact.read(one.encode())) != exact.form(exact.read(other.encode()))


@given(
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
)
def test_forms_agree_with_decimals(one: Decimal, other: Decimal) -> None:
    forms = [exact.Number(str(n).replace("E+", "e").replace("E", "e")).form for n in (one, other)]

    assert (forms[0] == forms[1]) == (one == other)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON)
def test_what_a_digest_binds_is_the_same_value(value: Any) -> None:
    read = exact.read(json.dumps(value).encode())

    plain = exact.plain(read)

    assert same(plain, value)
    assert exact.form(exact.read(exact.written(plain, read).encode())) == exact.form(read)


def same(plain: Any, value: Any) -> bool:
    """Equal, where a text may stand for a number no double holds."""
    if isinstance(value, dict):
        return plain.keys() == value.keys() and all(same(plain[k], value[k]) for k in value)
    if isinstance(value, list):
        return len(plain) == len(value) and all(map(same, plain, value))
    if isinstance(plain, str) and not isinstance(value, str):
        return Decimal(plain) == Decimal(repr(value))
    return type(plain) is type(value) and plain == value
