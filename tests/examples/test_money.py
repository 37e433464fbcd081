"""What a customer asks back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from triage.messages import Message
from triage.money import claimed


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("it was $86.40.", "86.40", "USD"),
        ("64,90 euros, por favor", "64.90", "EUR"),
        ("€1,200.00 for the hotel", "1200.00", "EUR"),
        ("480 EUR", "480", "EUR"),
        ("75 pounds please", "75", "GBP"),
        ("fee of £2.50 on £90", "90", "GBP"),
    ],
)
def test_the_largest_amount_named_counts(text: str, amount: str, currency: str) -> None:
    claim = claimed(Message("m", text))

    assert (claim.amount, claim.currency) == (Decimal(amount), currency)
    assert claim.source == "named in the message"


def test_without_an_amount_the_order_is_looked_up_the_same_way_twice() -> None:
    message = Message("m", "Order 4471: refund me twice within 3 days")

    claim = claimed(message)

    assert claim == claimed(message)
    assert claim.source == "found in the order book"
    assert Decimal(5) <= claim.amount < Decimal(150)
