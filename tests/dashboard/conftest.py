"""Requests that wait, as in the tests of what people say to them."""

from tests.reviews.conftest import ask, held, rule, take

__all__ = ["ask", "held", "rule", "take"]
